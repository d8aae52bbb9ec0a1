/// What workers did and saw. A worker tells it in parts, as lines, so that a killed one's is not lost with it.
struct Tally: Equatable {
  var sequences = 0
  /// Sequences the daemon refused with figures: they are no failure.
  var refusals = 0
  var blocksWritten = 0
  var blocksRead = 0
  var bytesVerified = 0
  /// Blocks with a byte that is not what it must be. None is ever allowed.
  var wrongBlocks = 0
  /// Blocks the store had accepted or confirmed for a sequence that was still open, and could not serve.
  var lostBlocks = 0
  /// Blocks that were nowhere and never promised: filled and sealed.
  var missedBlocks = 0
  /// Seals answered `dropped`.
  var droppedSeals = 0
  /// Blocks a daemon had accepted, or said are on disk for good, and its next life did not have.
  var acceptedLostByRestart = 0
  var durableLostByRestart = 0
  /// Times a worker found its daemon gone, came back to one, and how long that took at most.
  var reconnects = 0
  var outageMsMax = 0
  /// Of those, the ones that took more than a second.
  var outagesOverSecond = 0
  /// Sessions ended in the middle by the worker itself.
  var abruptEnds = 0

  private static let sums: [any WritableKeyPath<Tally, Int> & Sendable] = [
    \.sequences, \.refusals, \.blocksWritten, \.blocksRead, \.bytesVerified, \.wrongBlocks, \.lostBlocks,
    \.missedBlocks, \.droppedSeals, \.acceptedLostByRestart, \.durableLostByRestart, \.reconnects, \.abruptEnds,
    \.outagesOverSecond,
  ]

  mutating func add(_ other: Tally) {
    for sum in Self.sums { self[keyPath: sum] += other[keyPath: sum] }
    outageMsMax = max(outageMsMax, other.outageMsMax)
  }

  var line: String { (Self.sums.map { self[keyPath: $0] } + [outageMsMax]).map(String.init).joined(separator: " ") }

  /// Nil where it is no line of a worker.
  init?(line: some StringProtocol) {
    let numbers = line.split(separator: " ").compactMap { Int($0) }
    guard numbers.count == Self.sums.count + 1 else { return nil }
    for (sum, number) in zip(Self.sums, numbers) { self[keyPath: sum] = number }
    outageMsMax = numbers[Self.sums.count]
  }

  init() {}
}
