import TierSpill

/// What happens while a write of another batch is under way: a batch that comes later and is durable before it, and a power
/// cut, as a copy of the disk sees it. Then the earlier batch has left a hole.
final class Meanwhile {
  let batch: [SpillRun.Chosen]
  private(set) var outcomes: [WriteOutcome] = []
  private(set) var problems: [String] = []
  private let crashSeed: UInt64
  private let expected: [SpillRun.Expectation]
  private let attempted: [SpillRun.Chosen]

  init(
    batch: [SpillRun.Chosen], crashSeed: UInt64, expected: [SpillRun.Expectation], attempted: [SpillRun.Chosen]
  ) {
    self.batch = batch
    self.crashSeed = crashSeed
    self.expected = expected
    self.attempted = attempted
  }

  func happen(_ spill: Spill, _ disk: SimulatedDisk, _ options: SpillOptions, capBytes: Int) {
    guard spill.isKeeperIdle else { return }
    if !batch.isEmpty { outcomes = spill.write(batch.map { TestBlock($0.key, version: $0.version) }) }
    let copy = disk.crashed(seed: crashSeed)
    do throws(SpillError) {
      let found = try Spill.open(disk: copy, capBytes: capBytes, options: options)
      for key in expected.indices { check(key, found, isDamaged: copy.damages > 0) }
      found.abandon()
    } catch {
      problems.append("after a power cut during a write the spill cannot be opened: \(error.message)")
    }
  }

  private func check(_ key: Int, _ found: Spill, isDamaged: Bool) {
    var versions = expected[key].attempted
    for block in attempted + batch where block.key == key { versions.insert(block.version) }
    var durable = expected[key].durable
    for (block, outcome) in zip(batch, outcomes) where block.key == key && outcome.isDurable { durable = block.version }
    let (outcome, bytes) = found.read(TestBlock(key))
    switch outcome {
    case .ok:
      guard let version = versions.first(where: { TestBlock(key, version: $0).bytes == bytes }) else {
        return problems.append("wrong bytes for block \(key) after a power cut during a write")
      }
      if let durable, version < durable {
        problems.append("block \(key): version \(version) came back after \(durable) was durable")
      }
    case .missing, .corrupt:
      if durable != nil, !isDamaged { problems.append("block \(key) was durable and is lost in a power cut") }
    case .failed(let error): problems.append("block \(key) cannot be read: \(error.message)")
    }
  }
}
