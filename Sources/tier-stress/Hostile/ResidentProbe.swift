import Glibc
import TierCore
import TierWire

/// A worker as it should be, which acquires blocks that are resident, again and again, and notes how long each answer took.
final class ResidentProbe {
  private let client: WorkerClient
  private let prompt: StressPrompt
  private let plan: SequencePlan
  private var round = 0
  private var latenciesUs: [Double] = []
  /// Rounds in which a block was on its way instead: they are no measurement of residents.
  private(set) var movingRounds = 0
  private(set) var wrongBlocks = 0

  private static let blocks = 8
  private static let answerMsMax = 20_000
  /// Between one round and the next: a worker computes with what it was given.
  private static let pauseUs: UInt32 = 300

  init(socketPath: String, seed: UInt64) throws {
    prompt = StressPrompt(blocks: Self.blocks, ofNobodyElse: seed)
    plan = SequencePlan(
      sequence: SequenceID(1), layout: prompt.model.layout, layers: prompt.model.layers, chunkBlocks: Self.blocks,
      totalBlocks: Self.blocks, stagingSlots: Self.blocks, ringSlots: 2, ordered: false)
    client = try WorkerClient.connect(path: socketPath, name: "tier-stress probe", timeoutMs: 10_000)
    try seal()
  }

  private func seal() throws {
    try client.send(.open(plan))
    guard case .admitted(_, let arena, _) = try next() else { throw StressFault.failed("the probe was not admitted") }
    try client.send(.extend(plan.sequence, blocks: (0..<Self.blocks).map(prompt.id)))
    guard case .extended = try next() else { throw StressFault.failed("the probe's blocks were not named") }
    for layer in 0..<plan.layers {
      try client.send(.reserve(plan.sequence, layer: layer, blocks: 0..<Self.blocks))
      guard case .reserved(_, _, _, let slots) = try next() else { throw StressFault.failed("no slots for the probe") }
      for (block, answer) in slots.enumerated() {
        guard case .slot(let slot) = answer else { continue }
        let bytes = try client.stagingBytes(arena: arena, slot: slot)
        var pattern = BlockPattern(prompt.id(block), layer: layer)
        pattern.fill(UnsafeMutableRawBufferPointer(rebasing: bytes[..<plan.layout.payloadBytes]))
      }
      try client.send(.seal(plan.sequence, layer: layer, blocks: 0..<Self.blocks))
      for _ in 0..<Self.blocks {
        guard case .sealed(_, _, _, .accepted) = try next() else { throw StressFault.failed("the probe's seal failed") }
      }
    }
  }

  /// Rounds for so long; answers how long each acquire took, in microseconds.
  func measure(seconds: Double) throws -> [Double] {
    latenciesUs.removeAll(keepingCapacity: true)
    let startNs = Clock.nowNs()
    while Clock.seconds(since: startNs) < seconds {
      try acquire()
      usleep(Self.pauseUs)
    }
    return latenciesUs
  }

  private func acquire() throws {
    let layer = round % plan.layers
    round += 1
    let startNs = Clock.nowNs()
    try client.send(.acquire(plan.sequence, chunk: 1 + round / plan.layers, layer: layer, blocks: 0..<Self.blocks))
    guard case .acquired(_, layer, 0, let states) = try next() else {
      throw StressFault.failed("the probe's acquire was not answered")
    }
    let tookUs = Double(Clock.nowNs() - startNs) * 1e-3
    var isResident = true
    for (block, state) in states.enumerated() {
      switch state {
      case .resident(let slot, _): try verify(layer, block, slot)
      case .moving:
        isResident = false
        guard case .ready(_, _, _, let slot, _) = try next() else { throw StressFault.failed("the probe lost a block") }
        try verify(layer, block, slot)
      case .lost: throw StressFault.failed("the probe lost a block")
      }
    }
    try client.send(.release(plan.sequence, layer: layer, blocks: 0..<Self.blocks))
    if isResident { latenciesUs.append(tookUs) } else { movingRounds += 1 }
  }

  private func verify(_ layer: Int, _ block: Int, _ slot: SlotRef) throws {
    var pattern = BlockPattern(prompt.id(block), layer: layer)
    let bytes = UnsafeRawBufferPointer(rebasing: try client.bytes(of: slot)[..<plan.layout.payloadBytes])
    if pattern.firstDifference(in: bytes) != nil { wrongBlocks += 1 }
  }

  /// The next reply that is no notice of the disk's.
  private func next() throws -> Reply {
    while true {
      guard let reply = try client.receive(timeoutMs: Self.answerMsMax) else {
        throw StressFault.failed("the probe was not answered for \(Self.answerMsMax / 1000) s")
      }
      if case .durable = reply { continue }
      return reply
    }
  }
}
