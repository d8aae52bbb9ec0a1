import Dispatch
import Glibc

/// A directory of one test's own, gone with it.
final class ScratchDirectory: Sendable {
  let path: String

  init() throws {
    var template = Array("/tmp/tierd-test-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw Failure(errno) }
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  struct Failure: Error {
    let code: Int32
    init(_ code: Int32) { self.code = code }
  }

  deinit {
    for name in names(in: path) { unlink(path + "/" + name) }
    rmdir(path)
  }

  private func names(in path: String) -> [String] {
    guard let directory = opendir(path) else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names
  }
}

/// A Unix socket that listens, to be answered by hand.
final class RawListener: Sendable {
  let path: String
  private let fd: Int32

  init(_ path: String, type: __socket_type = SOCK_STREAM) throws {
    self.path = path
    fd = socket(AF_UNIX, Int32(type.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    let bound = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(fd, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
    }
    guard bound == 0, listen(fd, 4) == 0 else { throw ScratchDirectory.Failure(errno) }
  }

  deinit { close(fd) }

  /// Takes one connection, reads what came, sends `bytes`, and closes, or holds the connection for `holdMs`.
  func answerOnce(_ bytes: [UInt8], holdMs: Int = 0) {
    let peer = accept(fd, nil, nil)
    guard peer >= 0 else { return }
    defer { close(peer) }
    var buffer = [UInt8](repeating: 0, count: 4096)
    _ = recv(peer, &buffer, buffer.count, 0)
    var sent = 0
    while sent < bytes.count {
      let n = bytes.withUnsafeBytes { send(peer, $0.baseAddress! + sent, $0.count - sent, Int32(MSG_NOSIGNAL)) }
      guard n > 0 else { return }
      sent += n
    }
    // Until the other side gives up, at most.
    var poller = pollfd(fd: peer, events: Int16(POLLIN), revents: 0)
    if holdMs > 0 { poll(&poller, 1, Int32(holdMs)) }
  }
}

/// Runs what blocks on a thread of its own: Swift's pool has one a core, and the server under test needs them.
func onThread<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
  try await withCheckedThrowingContinuation { continuation in
    DispatchQueue(label: "test").async { continuation.resume(with: Result(catching: body)) }
  }
}
