import CLinux
import Glibc
import TierTesting

/// A process that holds conversations no worker would: told on its standard input how many, it says what came of them.
struct HostileClient {
  let socketPath: String
  let seed: UInt64
  /// Another user of the daemon's group; 0 to stay what it is.
  let uid: UInt32

  /// Connections kept open while others come.
  private static let heldMax = 24
  /// Opened at once, in a burst that goes beyond every limit.
  private static let burst = 90
  private static let burstOneIn = 400
  private static let endMsMax: Int64 = 5000

  func run() throws {
    if uid != 0 {
      guard setuid(uid) == 0 else { throw StressFault.usage("cannot become uid \(uid): \(errorText(errno))") }
    }
    // What attackers compute with is theirs, not the daemon's to answer for: they get what others leave.
    _ = nice(19)
    let descriptors = try WrongDescriptors()
    var random = SeededRandom(seed: seed)
    var held: [Int32] = []
    while let line = readLine() {
      guard let count = Int(line) else { throw StressFault.usage("'\(line)' is no number of conversations") }
      var tally = HostileTally()
      for _ in 0..<count { try converse(&random, descriptors, &held, &tally) }
      for connection in held { close(connection) }
      held.removeAll()
      var answer = tally.line + "\n"
      answer.withUTF8 { _ = write(STDOUT_FILENO, $0.baseAddress, $0.count) }
    }
  }

  private func converse(
    _ random: inout SeededRandom, _ descriptors: WrongDescriptors, _ held: inout [Int32], _ tally: inout HostileTally
  ) throws {
    tally.conversations += 1
    if random.once(in: Self.burstOneIn) { return try crowd(&tally) }
    let conversation = Conversation(&random)
    guard let connection = try connect(&tally) else { return }
    for (index, frame) in conversation.frames.enumerated() {
      let carried = index == conversation.descriptorsAt ? descriptors.some(&random, connection: connection) : []
      // A daemon that has hung up, or lets this one wait, is not waited for.
      guard tierd_send(connection, frame, frame.count, carried, Int32(carried.count), false) >= 0 else { break }
      tally.framesSent += 1
      tally.descriptorsSent += carried.count
    }
    if conversation.stays {
      held.append(connection)
      tally.heldMax = max(tally.heldMax, held.count)
      if held.count > Self.heldMax { close(held.removeFirst()) }
      return
    }
    defer { close(connection) }
    if conversation.mustEnd {
      if try isEnded(connection, withinMs: Self.endMsMax) { tally.ended += 1 } else { tally.notEnded += 1 }
    } else if random.once(in: 2), try isEnded(connection, withinMs: Int64(random.int(0...3))) {
      tally.ended += 1
    }
  }

  /// Nil where the daemon takes no more at present.
  private func connect(_ tally: inout HostileTally) throws -> Int32? {
    let connection = tierd_socket()
    guard connection >= 0 else { throw StressFault.io("cannot make a socket: \(errorText(errno))") }
    _ = tierd_set_send_timeout(connection, 5000)
    guard tierd_connect(connection, socketPath) == 0 else {
      let cause = errno
      close(connection)
      // A full backlog is a limit that works.
      guard cause == EAGAIN else { throw StressFault.failed("cannot connect to the daemon: \(errorText(cause))") }
      tally.turnedAway += 1
      return nil
    }
    tally.connections += 1
    return connection
  }

  /// More connections at once than anybody may have.
  private func crowd(_ tally: inout HostileTally) throws {
    var crowd: [Int32] = []
    defer { for connection in crowd { close(connection) } }
    for _ in 0..<Self.burst {
      if let connection = try connect(&tally) { crowd.append(connection) }
    }
    tally.heldMax = max(tally.heldMax, crowd.count)
    for connection in crowd where try isEnded(connection, withinMs: 0) { tally.turnedAway += 1 }
  }

  /// Reads what comes until the daemon hangs up; false where it does not in time. Descriptors that come are closed.
  private func isEnded(_ connection: Int32, withinMs limit: Int64) throws -> Bool {
    let endNs = Clock.nowNs() + limit * 1_000_000
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    var descriptors = [Int32](repeating: -1, count: Int(TIERD_MAX_DESCRIPTORS))
    while true {
      var (count, flags): (Int32, Int32) = (0, 0)
      let size = tierd_receive(connection, &buffer, buffer.count, &descriptors, &count, &flags, false)
      let cause = errno
      for descriptor in descriptors.prefix(Int(count)) { close(descriptor) }
      if size == 0 { return true }
      // A hang-up with frames unread is told once, before what was sent before it.
      if size > 0 || cause == ECONNRESET || cause == EINTR { continue }
      guard cause == EAGAIN else { throw StressFault.failed("cannot receive: \(errorText(cause))") }
      let leftMs = (endNs - Clock.nowNs()) / 1_000_000
      guard leftMs > 0 else { return false }
      var readable = pollfd(fd: connection, events: Int16(POLLIN), revents: 0)
      _ = poll(&readable, 1, Int32(leftMs))
    }
  }
}
