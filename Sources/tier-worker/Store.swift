import Glibc
import TierCore
import TierEngine
import TierWire

/// The session this worker keeps its KV in: with a daemon, or with a store of its own.
final class Store {
  let session: any ResidencySession
  private let engine: Engine?
  private let scratch: String?

  init(_ options: SharedOptions) throws {
    guard options.embedded else {
      engine = nil
      scratch = nil
      let path = options.socket ?? Self.defaultSocket
      do throws(ResidencyError) {
        session = try WorkerClient.connect(path: path, name: "tier-worker", timeoutMs: 5000)
      } catch {
        throw WorkerFault(
          message: "\(error.message) (start tierd, name its socket with --socket, or use --embedded)", exitCode: 69)
      }
      return
    }
    guard ["none", "emulated"].contains(options.device) else {
      throw WorkerFault.usage("--device \(options.device): an embedded store has emulated or none")
    }
    let disk = try SharedOptions.size(options.diskBudget, of: "--disk-budget")
    scratch = disk > 0 && options.stateDir == nil ? try Self.makeScratch() : nil
    let link = try options.emulatedLink.map {
      try SharedOptions.size($0.hasSuffix("/s") ? String($0.dropLast(2)) : $0, of: "--emulated-link")
    }
    let engine = try Engine(
      EngineOptions(
        deviceBytes: options.device == "none" ? 0 : try SharedOptions.size(options.deviceBudget, of: "--device-budget"),
        hostBytes: try SharedOptions.size(options.hostBudget, of: "--host-budget"), diskBytes: disk,
        spillDirectory: (options.stateDir ?? scratch).map { $0 + "/spill" }, linkBytesPerSecond: link,
        report: { Terminal.error("tier-worker: \($0)\n") }))
    self.engine = engine
    session = try EmbeddedSession(engine)
  }

  func close() {
    session.end()
    engine?.stop()
    if let scratch { Self.removeScratch(scratch) }
  }

  private static var defaultSocket: String {
    if geteuid() == 0 { return "/run/tierd/worker.sock" }
    guard let runtime = getenv("XDG_RUNTIME_DIR") else { return "/run/tierd/worker.sock" }
    return String(cString: runtime) + "/tierd/worker.sock"
  }

  private static func makeScratch() throws -> String {
    let base = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    var template = Array("\(base)/tier-worker.XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else {
      throw WorkerFault(
        message: "cannot make a directory for the spill in \(base): \(String(cString: strerror(errno)))", exitCode: 74)
    }
    return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// What an embedded store spilled is of use to nobody after it.
  private static func removeScratch(_ path: String) {
    let spill = path + "/spill"
    if let directory = opendir(spill) {
      while let entry = readdir(directory) {
        let name = withUnsafePointer(to: &entry.pointee.d_name) {
          $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
        if name != ".", name != ".." { unlink(spill + "/" + name) }
      }
      closedir(directory)
      rmdir(spill)
    }
    rmdir(path)
  }
}
