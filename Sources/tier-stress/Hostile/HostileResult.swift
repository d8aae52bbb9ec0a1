import TierCore

/// What hostile clients did and what others noticed of it, as `--json` prints it.
struct HostileResult: Codable {
  struct Latency: Codable {
    var samples = 0
    var p50Us = 0.0
    var p99Us = 0.0
    var maxUs = 0.0

    init(_ samplesUs: [Double]) {
      let sorted = samplesUs.sorted()
      samples = sorted.count
      guard let last = sorted.last else { return }
      p50Us = sorted[sorted.count / 2]
      p99Us = sorted[min(sorted.count - 1, sorted.count * 99 / 100)]
      maxUs = last
    }
  }

  var seed: UInt64
  var seconds = 0.0
  var clients = 0
  /// As whom they came; this program's own user where it may not become others.
  var uids: [UInt32] = []
  var done = HostileTally()
  /// Whether a user outside the socket's group was kept out; nil where this program cannot become one.
  var strangerIsKeptOut: Bool?
  /// Whole sequences that new, well-behaved workers read meanwhile, and how long the slowest took.
  var sequencesMeanwhile = 0
  var slowestSequenceMs = 0.0
  var wrongBlocks = 0
  /// An acquire of 8 resident blocks, from its sending to its answer: with nobody else there, and meanwhile.
  var quiet = Latency([])
  var attacked = Latency([])
  var p99Ratio = 0.0
  var movingRounds = 0
  var daemonBefore = ProcessReading()
  var daemonAfter = ProcessReading()
  var failures: [String] = []

  var text: String {
    let lines = [
      "hostile, seed \(seed): \(Int(seconds)) s, \(done.conversations) conversations, \(done.connections) connections, "
        + "\(done.turnedAway) turned away, \(done.framesSent) frames, \(done.descriptorsSent) descriptors",
      "acquire of resident blocks: p50 \(quiet.p50Us) → \(attacked.p50Us) µs, p99 \(quiet.p99Us) → \(attacked.p99Us) µs, "
        + "ratio \(p99Ratio)",
      "meanwhile \(sequencesMeanwhile) sequences of others, the slowest in \(slowestSequenceMs) ms, "
        + "\(wrongBlocks) wrong blocks",
      "daemon: descriptors \(daemonBefore.fds) → \(daemonAfter.fds), threads \(daemonBefore.threads) → "
        + "\(daemonAfter.threads), its own memory \(daemonBefore.ownBytes >> 10) → \(daemonAfter.ownBytes >> 10) KiB",
    ]
    return (lines + failures.map { "FAILED: \($0)" }).joined(separator: "\n")
  }
}
