import CLinux
import Dispatch
import Glibc
import Synchronization

/// A stand-in for a service manager that restarts one service: its worker socket is made here and outlives the service, and
/// so do the descriptors the service stores, which the next process of it is passed (systemd's FDSTORE=1).
public final class KeepingManager: @unchecked Sendable {
  public let workerSocketPath: String
  private let workerSocket: Int32
  private let inbox: Mutex<FakeManager>
  private let address: String
  private let kept = Mutex<[(name: String, descriptor: Int32)]>([])
  /// Made, and ended, with this object; nothing else touches it.
  private let arrivals: any DispatchSourceRead

  public struct Failure: Error {
    let code = errno
  }

  /// Listens at the path, for the group of this process; whatever lies there is replaced.
  public init(workerSocketPath: String) throws {
    self.workerSocketPath = workerSocketPath
    workerSocket = tierd_socket()
    unlink(workerSocketPath)
    guard workerSocket >= 0, tierd_bind(workerSocket, workerSocketPath, 0o660) == 0, listen(workerSocket, 64) == 0
    else { throw Failure() }
    let manager = try FakeManager()
    address = manager.address
    let watched = manager.descriptor
    inbox = Mutex(manager)
    arrivals = DispatchSource.makeReadSource(fileDescriptor: watched, queue: DispatchQueue(label: "manager"))
    arrivals.setEventHandler { [weak self] in self?.takeIn() }
    arrivals.activate()
  }

  deinit {
    arrivals.cancel()
    for (_, descriptor) in kept.withLock({ $0 }) { close(descriptor) }
    close(workerSocket)
    unlink(workerSocketPath)
  }

  /// Files kept of the service's memory.
  public var keptCount: Int { kept.withLock { $0.count } }

  /// Reads what the service has said so far: after its end, all it ever said.
  public func takeIn() {
    inbox.withLock { inbox in
      while let message = inbox.next() { take(message) }
    }
  }

  private func take(_ message: FakeManager.Message) {
    let name = message.lines.first { $0.hasPrefix("FDNAME=") }.map { String($0.dropFirst(7)) } ?? "stored"
    if message.lines.contains("FDSTORE=1") {
      kept.withLock { $0 += message.descriptors.map { (name, $0) } }
      return
    }
    for descriptor in message.descriptors { close(descriptor) }
    guard message.lines.contains("FDSTOREREMOVE=1") else { return }
    kept.withLock { kept in
      for item in kept where item.name == name { close(item.descriptor) }
      kept.removeAll { $0.name == name }
    }
  }

  /// How the next process of the service is started: what is set in its environment, and what it is passed, from descriptor
  /// 3 on. LISTEN_PID is its own process id, which is for who starts it to add.
  public func activation() -> (environment: [String], descriptors: [Int32]) {
    takeIn()
    let stored = kept.withLock { $0 }
    let names = (["worker"] + stored.map(\.name)).joined(separator: ":")
    return (
      ["NOTIFY_SOCKET=\(address)", "LISTEN_FDS=\(stored.count + 1)", "LISTEN_FDNAMES=\(names)"],
      [workerSocket] + stored.map(\.descriptor)
    )
  }
}
