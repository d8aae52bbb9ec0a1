import Foundation

/// A directory of one test's own, and the environment that keeps what the test starts within it. With it go its files
/// and every process that still runs in that environment.
final class Workspace {
  let path: String

  /// Names the workspace in the environment of all that is started in it, and of what that starts.
  private static let mark = "TIERD_TEST_WORKSPACE"

  init() throws {
    let base = ProcessInfo.processInfo.environment["TMPDIR"] ?? "/tmp"
    var template = Array("\(base)/tierd-e2e-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw CocoaError(.fileWriteUnknown) }
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    for name in ["out", "tmp", "home"] {
      try FileManager.default.createDirectory(atPath: path + "/" + name, withIntermediateDirectories: false)
    }
    // Where tests run as root, a configuration of this machine's own daemon must not be read.
    try write("empty.yaml", Data())
  }

  deinit {
    for pid in processes() { kill(pid, SIGKILL) }
    try? FileManager.default.removeItem(atPath: path)
  }

  var environment: [String: String] {
    [
      Self.mark: path, "PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": path + "/home", "TMPDIR": temporary,
      "TIERD_CONFIG": path + "/empty.yaml",
      // A crash is to be seen by its signal at once, not after a backtrace.
      "SWIFT_BACKTRACE": "enable=no",
    ]
  }

  /// What programs take for the place of temporary files.
  var temporary: String { path + "/tmp" }

  /// Names of temporary files that are left.
  var leftovers: [String] { (try? FileManager.default.contentsOfDirectory(atPath: temporary)) ?? [] }

  @discardableResult
  func write(_ name: String, _ data: Data) throws -> String {
    try data.write(to: URL(fileURLWithPath: path + "/" + name))
    return path + "/" + name
  }

  func makeDirectory(_ name: String) throws -> String {
    try FileManager.default.createDirectory(atPath: path + "/" + name, withIntermediateDirectories: true)
    return path + "/" + name
  }

  /// Processes started in this workspace, by whomever, that still run.
  func processes() -> [pid_t] {
    let entry = Data("\(Self.mark)=\(path)\0".utf8)
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    return names.compactMap { pid_t($0) }.filter { pid in
      // A zombie's is empty.
      FileManager.default.contents(atPath: "/proc/\(pid)/environ")?.range(of: entry) != nil
    }
  }
}
