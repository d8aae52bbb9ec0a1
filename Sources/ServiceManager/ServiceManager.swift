import CLinux
public import Glibc
import Synchronization

/// The service manager that started this process, over systemd's own protocols (sd_notify(3), sd_listen_fds(3)) and
/// without its library. Started by hand there is none: telling it anything then does nothing, storing says `absent`.
///
/// The connection is made once, so that a process out of descriptors can still say that it is alive.
public final class ServiceManager: Sendable {
  /// Bytes a descriptor's name may have.
  public static let nameBytesMax = 255
  /// How long the manager may leave its queue full before a message is given up.
  public static let sendTimeoutMs = 2000

  /// How often it wants to hear `watchdog`, at the latest; nil where it does not.
  public let watchdogInterval: Duration?
  /// How many descriptors it keeps, where it says so (systemd 254 and later).
  public let storeCapacity: Int?

  private let address: String?
  private let connection: Mutex<Int32>
  private let passed: Mutex<PassedDescriptors?>

  /// Reads what the manager left in the environment. Throws where that makes no sense, or it cannot be reached.
  /// - Parameter pid: who the variables must be for; what is for another process is as good as absent.
  public convenience init(environment: [String: String], pid: Int32 = getpid()) throws(ServiceManagerError) {
    try self.init(environment: environment, pid: pid, firstDescriptor: PassedDescriptors.first)
  }

  init(environment: [String: String], pid: Int32, firstDescriptor: Int32) throws(ServiceManagerError) {
    let variables = ManagerVariables(environment, pid: pid)
    watchdogInterval = try variables.watchdogInterval()
    storeCapacity = variables.storeCapacity()
    passed = Mutex(try variables.passedDescriptors(first: firstDescriptor))
    address = variables.notifySocket
    connection = Mutex(try address.map { address throws(ServiceManagerError) in try Self.connect(address) } ?? -1)
  }

  deinit { connection.withLock { if $0 >= 0 { close($0) } } }

  /// Whether there is one that listens.
  public var isPresent: Bool { address != nil }

  /// Tells all of it in one message. Where there is no manager this does nothing.
  public func notify(_ states: [ServiceState]) throws(ServiceManagerError) {
    guard isPresent, !states.isEmpty else { return }
    let assignments = states.flatMap(\.assignments)
    try send(assignments, naming: assignments[0])
  }

  /// Has the manager keep a duplicate of the descriptor until it is removed, this service is stopped, or the store is
  /// full, which it does not tell. The next process of the service gets it from `takeDescriptors`. Several may share a name.
  public func storeDescriptor(_ descriptor: Int32, name: String) throws(ServiceManagerError) {
    try Self.check(name)
    guard isPresent else { throw .absent }
    // FDPOLL=0 (systemd 246): it is kept whatever becomes of its other end.
    try send(["FDSTORE=1", "FDNAME=" + name, "FDPOLL=0"], descriptor, naming: "to keep \(name)")
  }

  /// Has the manager let go of every descriptor stored under this name.
  public func removeDescriptors(name: String) throws(ServiceManagerError) {
    try Self.check(name)
    guard isPresent else { throw .absent }
    try send(["FDSTOREREMOVE=1", "FDNAME=" + name], naming: "to let go of \(name)")
  }

  /// Returns once the manager has read everything told so far (systemd 246 and later): what was stored is stored.
  public func synchronize(timeoutMs: Int) throws(ServiceManagerError) {
    guard isPresent else { throw .absent }
    var ends: (Int32, Int32) = (-1, -1)
    let made = withUnsafeMutableBytes(of: &ends) { pipe($0.baseAddress!.assumingMemoryBound(to: Int32.self)) }
    guard made == 0 else { throw .cannotSend(what: "to synchronize", errno: errno) }
    defer { close(ends.0) }
    for end in [ends.0, ends.1] { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    do throws(ServiceManagerError) {
      try send(["BARRIER=1"], ends.1, naming: "to synchronize")
      close(ends.1)
    } catch {
      close(ends.1)
      throw error
    }
    // The manager closes its end when it comes to the message.
    let timeoutMs = min(max(timeoutMs, 0), 60_000)
    let end = ContinuousClock.now + .milliseconds(timeoutMs)
    while true {
      var source = pollfd(fd: ends.0, events: 0, revents: 0)
      let leftMs = max(0, Int32((end - .now) / .milliseconds(1)))
      let ready = poll(&source, 1, leftMs)
      if ready > 0 { return }
      if ready == 0 { throw .unanswered(what: "in time", afterMs: timeoutMs) }
      if errno != EINTR { throw .cannotSend(what: "to synchronize", errno: errno) }
    }
  }

  /// What the manager passed: sockets it listens on for this service, and what earlier processes of it stored. Close-on-exec,
  /// and the caller's to close. All of it the first time, nothing after that. Throws, closing none, where one that was
  /// announced is not there.
  public func takeDescriptors() throws(ServiceManagerError) -> [PassedDescriptor] {
    let taken = passed.withLock { passed in
      defer { passed = nil }
      return passed
    }
    return try taken?.inspect() ?? []
  }

  private static func check(_ name: String) throws(ServiceManagerError) {
    guard PassedDescriptor.isUsable(name: name) else { throw .unusableName(name) }
  }

  private static func connect(_ address: String) throws(ServiceManagerError) -> Int32 {
    let descriptor = tierd_notify_connect(address)
    guard descriptor >= 0 else { throw .cannotConnect(address: address, errno: errno) }
    guard tierd_set_send_timeout(descriptor, Int64(sendTimeoutMs)) == 0 else {
      let cause = errno
      close(descriptor)
      throw .cannotConnect(address: address, errno: cause)
    }
    return descriptor
  }

  /// One datagram. Where the manager has come back on a new socket meanwhile, it is sought once.
  private func send(
    _ assignments: [String], _ descriptor: Int32? = nil, naming what: String
  ) throws(ServiceManagerError) {
    guard let address else { return }
    let message = Array(assignments.joined(separator: "\n").utf8)
    let descriptors = descriptor.map { [$0] } ?? []
    try connection.withLock { connection throws(ServiceManagerError) in
      var isSecondTry = false
      while tierd_send(connection, message, message.count, descriptors, Int32(descriptors.count), true) < 0 {
        let cause = errno
        if cause == EINTR { continue }
        guard !isSecondTry, [ECONNREFUSED, ENOTCONN, ECONNRESET].contains(cause) else {
          throw ServiceManagerError.cannotSend(what: what, errno: cause)
        }
        isSecondTry = true
        let next = try Self.connect(address)
        close(connection)
        connection = next
      }
    }
  }
}
