import Glibc

/// What a worker process tells the one that started it: lines on its standard output. `T` and a tally, `W` and where bytes
/// were wrong, `P` and what went wrong otherwise.
final class Report {
  var tally = Tally()
  private var toldNs = Clock.nowNs()
  /// For the test that shows that wrong bytes are seen: one read in so many is held against another block's bytes.
  private let falsifyOneReadIn: Int
  private var reads = 0

  private static let intervalNs: Int64 = 100_000_000

  private let isTold: Bool

  /// - Parameter isTold: false where the one who counts is in this process, and reads the tally itself.
  init(falsifyOneReadIn: Int, isTold: Bool = true) {
    self.falsifyOneReadIn = falsifyOneReadIn
    self.isTold = isTold
  }

  func falsifies() -> Bool {
    reads += 1
    return falsifyOneReadIn > 0 && reads % falsifyOneReadIn == 0
  }

  var isDue: Bool { isTold && Clock.nowNs() - toldNs > Self.intervalNs }

  /// Tells what has come together since the last time.
  func tell() throws(StressFault) {
    toldNs = Clock.nowNs()
    try say("T \(tally.line)")
    tally = Tally()
  }

  func wrong(_ what: String) throws(StressFault) { try say("W \(what)") }
  func problem(_ what: String) throws(StressFault) { try say("P \(what)") }

  /// One write a line: whole or not at all in the pipe.
  private func say(_ line: String) throws(StressFault) {
    guard isTold else { return }
    var line = line.replacing("\n", with: " ") + "\n"
    let isSaid = line.withUTF8 { bytes in
      while true {
        let count = write(STDOUT_FILENO, bytes.baseAddress, bytes.count)
        if count < 0 && errno == EINTR { continue }
        return count == bytes.count
      }
    }
    guard isSaid else { throw .io("nobody listens to this worker any more") }
  }
}
