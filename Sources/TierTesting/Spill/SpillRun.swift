import TierCore
package import TierSpill

/// The spill on a disk that fails from a seed, against what a caller may expect of it: what was reported durable is found
/// again byte for byte, what was forgotten stays so, wrong bytes never come out, the files never exceed the cap.
///
/// Half of the runs damage the disk silently: then blocks may be missed, and bytes may not be wrong.
package struct SpillRun {
  typealias Chosen = (key: Int, version: Int)

  struct Expectation {
    /// The version that must be found; nil where nothing is promised.
    var durable: Int?
    /// Every version ever handed over.
    var attempted: Set<Int> = []
    /// Let go: not to be found again.
    var isForgotten = false
  }

  private final class Losses: @unchecked Sendable {
    var keys: [BlockKey] = []
  }

  private let disk: SimulatedDisk
  private let capBytes: Int
  private let options: SpillOptions
  private let faults: SimulatedDisk.Faults
  private let damaging: Bool
  private var random: SeededRandom
  private var spill: Spill
  private let losses = Losses()
  private var expected = [Expectation](repeating: Expectation(), count: 48)
  package private(set) var problems: [String] = []
  /// How often the disk was damaged without an error.
  package var damages: Int { disk.damages }

  package init(seed: UInt64, damaging: Bool) throws(SpillError) {
    random = SeededRandom(seed: seed &* 0x9e37_79b9 ^ 0x5eed)
    self.damaging = damaging
    disk = SimulatedDisk(seed: seed, alignBytes: seed % 8 == 7 ? 4096 : 512, blockBytes: seed % 4 == 2 ? 4096 : nil)
    options = .small(segmentBytes: 32768 << Int(seed % 2))
    capBytes = options.segmentBytes! * (3 + random.next(below: 6)) + 65536
    var faults = SimulatedDisk.Faults()
    if random.next(below: 3) > 0 {
      faults.readError = random.next(below: 30)
      faults.writeError = random.next(below: 40)
      faults.syncError = random.next(below: 40)
      faults.directoryError = random.next(below: 30)
      faults.noSpace = random.next(below: 30)
    }
    if random.next(below: 3) == 0 { faults.slow = random.next(below: 60) }
    if damaging {
      faults.misdirectedWrite = random.next(below: 20)
      faults.lostWrite = random.next(below: 20)
      faults.bitRot = random.next(below: 30)
    }
    self.faults = faults
    spill = try Spill.open(disk: disk, capBytes: capBytes, options: options)
    watch()
    disk.faults = faults
  }

  package mutating func play() throws(SpillError) {
    for _ in 0..<60 + random.next(below: 120) {
      switch random.next(below: 100) {
      case 0..<45: write()
      case 45..<75: check(random.next(below: expected.count))
      case 75..<92: forget()
      case 92..<95: _ = try? spill.reclaim()
      case 95..<98: try restart(crashing: true)
      default: try restart(crashing: false)
      }
    }
    disk.faults = .none
    try restart(crashing: true)
    disk.faults = .none
    for key in expected.indices { check(key, mustAnswer: true) }
    checkThatItStillWorks()
    if disk.peakBytes > capBytes { problems.append("files of \(disk.peakBytes) bytes exceed the cap of \(capBytes)") }
  }

  private mutating func write() {
    let chosen = choose(besides: [])
    // While a write of this batch is under way another batch comes, is made durable, and the power may be cut.
    let meanwhile = Meanwhile(
      batch: random.next(below: 2) == 0 ? choose(besides: chosen) : [], crashSeed: random.next(), expected: expected,
      attempted: chosen)
    disk.interlude = { [spill, disk, options, capBytes] in
      meanwhile.happen(spill, disk, options, capBytes: capBytes)
    }
    let outcomes = spill.write(chosen.map { TestBlock($0.key, version: $0.version) })
    disk.interlude = nil
    problems += meanwhile.problems
    note(meanwhile.batch, meanwhile.outcomes)
    note(chosen, outcomes)
  }

  private mutating func choose(besides others: [Chosen]) -> [Chosen] {
    var chosen: [Chosen] = []
    for _ in 0...random.next(below: 6) {
      let key = random.next(below: expected.count)
      guard !(chosen + others).contains(where: { $0.key == key }) else { continue }
      // A second version of a block does not exist in the field; damage could bring the first one back.
      let newest = expected[key].attempted.max() ?? 0
      chosen.append((key, !damaging && random.next(below: 8) == 0 ? newest + 1 : newest))
    }
    return chosen
  }

  private mutating func note(_ chosen: [Chosen], _ outcomes: [WriteOutcome]) {
    for (block, outcome) in zip(chosen, outcomes) {
      expected[block.key].attempted.insert(block.version)
      if outcome.isDurable {
        expected[block.key].durable = block.version
        expected[block.key].isForgotten = false
      }
    }
  }

  private mutating func forget() {
    let keys = (0...random.next(below: 8)).map { _ in random.next(below: expected.count) }
    spill.forget(keys.map { TestBlock($0).key })
    for key in keys {
      expected[key].durable = nil
      expected[key].isForgotten = true
    }
  }

  private mutating func restart(crashing: Bool) throws(SpillError) {
    // What is not noted on disk yet may come back.
    if crashing, random.next(below: 4) > 0 { spill.abandon() } else { spill.close() }
    if crashing { disk.crash() }
    if spill.pendingTombstones > 0 { for key in expected.indices { expected[key].isForgotten = false } }
    disk.faults = .none
    takeLosses()
    spill = try Spill.open(disk: disk, capBytes: capBytes, options: options)
    watch()
    disk.faults = faults
  }

  private func watch() {
    spill.start { [losses] event in
      if case .lost(let keys) = event { losses.keys += keys }
    }
  }

  /// A block whose record could not be moved or verified is no longer promised; that takes damage.
  private mutating func takeLosses() {
    if !losses.keys.isEmpty, disk.damages == 0 { problems.append("durable blocks were given up: \(losses.keys.count)") }
    for key in losses.keys { expected[Int(key.id.a)].durable = nil }
    losses.keys = []
  }

  private mutating func check(_ key: Int, mustAnswer: Bool = false) {
    takeLosses()
    let expectation = expected[key]
    let (outcome, bytes) = spill.read(TestBlock(key))
    switch outcome {
    case .ok(let checksum):
      let version = expectation.attempted.first { TestBlock(key, version: $0).bytes == bytes }
      guard let version, TestBlock(key, version: version).checksum == checksum else {
        return problems.append("wrong bytes for block \(key)")
      }
      if let durable = expectation.durable, version < durable {
        problems.append("block \(key): version \(version) came back after \(durable) was durable")
      }
      if expectation.isForgotten, disk.damages == 0 { problems.append("block \(key) was forgotten and is back") }
    case .missing, .corrupt:
      if expectation.durable != nil, disk.damages == 0 { problems.append("block \(key) was durable and is lost") }
      expected[key].durable = nil
    case .failed(let error):
      if mustAnswer { problems.append("block \(key) cannot be read: \(error.message)") }
    }
  }

  /// With the faults gone, the spill takes blocks again.
  private mutating func checkThatItStillWorks() {
    spill.forget(expected.indices.map { TestBlock($0).key })
    let block = TestBlock(1000)
    let outcome = spill.write([block])[0]
    if !outcome.isDurable { problems.append("a healthy disk does not take a block: \(outcome)") }
    if outcome.isDurable, !spill.holds(block) { problems.append("a block just written is not read back") }
  }
}
