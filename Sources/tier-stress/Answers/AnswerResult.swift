/// What workers answered while their daemon was killed under them, as `--json` prints it.
struct AnswerResult: Codable {
  var workers: Int
  var seed: UInt64
  var seconds = 0.0
  var kills = 0
  /// Workers with a session at a kill, all kills together; the others were loading their model.
  var connectedAtKills = 0
  var answers = 0
  var tokens = 0
  /// Answers of other tokens, or other logits, than without a daemon.
  var wrongAnswers = 0
  var reconnects = 0
  /// From a worker's noticing that its daemon is away until it is connected again.
  var waitsMs = StressResult.Pauses()
  /// From the kill until the next life's control socket answers.
  var startMsMax = 0
  /// Of the worker whose blocks are made up.
  var blocksVerified = 0
  var wrongBlocks = 0
  var acceptedLost = 0
  var durableLost = 0
  var failures: [String] = []

  init(workers: Int, seed: UInt64) { (self.workers, self.seed) = (workers, seed) }

  mutating func judge() {
    func require(_ isSo: Bool, _ failure: String) { if !isSo { failures.append(failure) } }
    require(answers >= workers, "\(answers) answers of \(workers) workers")
    require(wrongAnswers == 0, "\(wrongAnswers) answers are not those of a worker without a daemon")
    require(reconnects > 0, "no worker noticed that its daemon was killed")
    require(wrongBlocks == 0, "\(wrongBlocks) blocks had wrong bytes")
    require(
      acceptedLost + durableLost == 0, "\(acceptedLost) accepted and \(durableLost) durable blocks were lost by a kill")
  }

  var text: String {
    let lines = [
      "answers, seed \(seed): \(Int(seconds)) s, tierd killed \(kills) times under \(workers) workers "
        + "(\(connectedAtKills) sessions cut), its memory kept",
      "\(answers) answers of \(tokens) tokens, \(wrongAnswers) wrong; \(reconnects) reconnects",
      "a worker was without its daemon for p50 \(waitsMs.p50Ms) ms, p99 \(waitsMs.p99Ms) ms, at most \(waitsMs.maxMs) ms; "
        + "the next life answered after at most \(startMsMax) ms",
      "blocks verified beside them: \(blocksVerified), \(wrongBlocks) wrong; \(acceptedLost) accepted and "
        + "\(durableLost) durable lost",
    ]
    return (lines + failures.map { "FAILED: \($0)" }).joined(separator: "\n")
  }
}
