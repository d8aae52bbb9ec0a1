import Glibc
import TierCore
import TierEngine
import TierWire

/// The session this worker keeps its KV in: with a daemon, or with a store of its own.
final class Store {
  let session: any TracedSession
  private let engine: Engine?
  private let socket: String
  /// Opened beside `session`, and ended with it.
  private(set) var others: [any TracedSession] = []
  private let scratch: ScratchDirectory?

  init(_ options: SharedOptions) throws {
    socket = options.socket ?? Self.defaultSocket
    if options.embedded {
      let scratch = try Self.needsScratch(options) ? ScratchDirectory() : nil
      let engine = try Engine(Self.engineOptions(options, spill: scratch?.spill))
      self.scratch = scratch
      self.engine = engine
      session = try EmbeddedSession(engine)
    } else {
      engine = nil
      scratch = nil
      session = try Self.connect(socket)
    }
  }

  /// Another session of the same store, ended with it.
  func newSession() throws -> any TracedSession {
    let session: any TracedSession
    if let engine { session = try EmbeddedSession(engine) } else { session = try Self.connect(socket) }
    others.append(session)
    return session
  }

  /// Ends what `newSession` gave.
  func endOthers() {
    for other in others { other.end() }
    others = []
  }

  /// What the store is called in a trace.
  var processName: String {
    if let client = session as? WorkerClient { "tierd \(client.daemonPID)" } else { "store, in the worker's process" }
  }

  func close() {
    endOthers()
    session.end()
    engine?.stop()
  }

  private static func connect(_ path: String) throws -> WorkerClient {
    do throws(ResidencyError) {
      return try WorkerClient.connect(path: path, name: "tier-worker", timeoutMs: 5000)
    } catch {
      throw WorkerFault(
        message: "\(error.message) (start tierd, name its socket with --socket, or use --embedded)", exitCode: 69)
    }
  }

  private static func needsScratch(_ options: SharedOptions) throws -> Bool {
    try SharedOptions.size(options.diskBudget, of: "--disk-budget") > 0 && options.stateDir == nil
  }

  private static func engineOptions(_ options: SharedOptions, spill: String?) throws -> EngineOptions {
    guard ["none", "emulated"].contains(options.device) else {
      throw WorkerFault.usage("--device \(options.device): an embedded store has emulated or none")
    }
    let link = try options.emulatedLink.map {
      try SharedOptions.size($0.hasSuffix("/s") ? String($0.dropLast(2)) : $0, of: "--emulated-link")
    }
    var engine = EngineOptions(
      deviceBytes: options.device == "none" ? 0 : try SharedOptions.size(options.deviceBudget, of: "--device-budget"),
      hostBytes: try SharedOptions.size(options.hostBudget, of: "--host-budget"),
      diskBytes: try SharedOptions.size(options.diskBudget, of: "--disk-budget"),
      spillDirectory: options.stateDir.map { $0 + "/spill" } ?? spill, linkBytesPerSecond: link,
      report: { Terminal.error("tier-worker: \($0)\n") })
    engine.needsSpill = true
    return engine
  }

  /// That of this user's tierd, else the system's.
  private static var defaultSocket: String {
    let ofSystem = "/run/tierd/worker.sock"
    guard geteuid() != 0, let runtime = getenv("XDG_RUNTIME_DIR") else { return ofSystem }
    let own = String(cString: runtime) + "/tierd/worker.sock"
    return access(own, F_OK) != 0 && access(ofSystem, F_OK) == 0 ? ofSystem : own
  }
}
