import Glibc
import Synchronization

/// Where an embedded store spills that was not told where: of use to nobody after it. Gone with this object, or with the
/// process where a signal ends it.
final class ScratchDirectory: Sendable {
  let path: String
  private static let inUse = Mutex<String?>(nil)

  init() throws {
    let base = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    var template = Array("\(base)/tier-worker.XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else {
      throw WorkerFault(
        message: "cannot make a directory for the spill in \(base): \(String(cString: strerror(errno)))", exitCode: 74)
    }
    let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    self.path = path
    Self.inUse.withLock { $0 = path }
  }

  deinit { Self.removeInUse() }

  var spill: String { path + "/spill" }

  /// Removes the directory of this process, if it has one.
  static func removeInUse() {
    inUse.withLock { path in
      guard let directory = path.take() else { return }
      // The store may be adding a segment this moment; once its directory is gone it cannot.
      for _ in 0..<100 where !isGone(directory + "/spill") { empty(directory + "/spill") }
      rmdir(directory)
    }
  }

  private static func isGone(_ path: String) -> Bool { rmdir(path) == 0 || errno == ENOENT }

  private static func empty(_ path: String) {
    guard let directory = opendir(path) else { return }
    defer { closedir(directory) }
    while let entry = readdir(directory) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != ".", name != ".." { unlink(path + "/" + name) }
    }
  }
}
