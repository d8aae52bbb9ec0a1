import Glibc
import TierCore
import TierTesting

/// How a worker goes about one sequence: everything about it that is drawn.
struct Manner {
  let isPlanned: Bool
  let isOrdered: Bool
  let chunkBlocks: Int
  let stagingSlots: Int
  let ringSlots: Int
  let idsPerExtend: Int
  let rereadings: Int
  /// Microseconds before each reply is taken.
  private let dawdlesUs: UInt32
  /// The step in which it holds leases and unsealed slots for a while, and the one before which it goes without a word; 0
  /// for none.
  let lingersAtStep: Int
  private let lingersUs: UInt32
  let vanishesAtStep: Int

  /// Chunks of two blocks, one after the other, in no hurry and with no tricks.
  static let plain = Manner()

  private init() {
    (isPlanned, isOrdered, chunkBlocks, stagingSlots, ringSlots) = (true, false, 2, 2, 2)
    (idsPerExtend, rereadings, dawdlesUs) = (1024, 1, 0)
    (lingersAtStep, lingersUs, vanishesAtStep) = (0, 0, 0)
  }

  /// - Parameter lingering: sequences in so many that hold what they have for a while; 0 for none.
  init(_ prompt: StressPrompt, lingering: Int, _ random: inout SeededRandom) {
    chunkBlocks = random.int(1...6)
    isPlanned = !random.once(in: 5)
    isOrdered = random.once(in: 3)
    stagingSlots = chunkBlocks + random.int(0...3)
    ringSlots = random.int(1...6)
    idsPerExtend = random.once(in: 2) ? 1024 : random.int(1...8)
    rereadings = random.int(0...4)
    dawdlesUs = random.once(in: 6) ? UInt32(random.int(100...5000)) : 0
    let steps = prompt.model.layers * ((prompt.blocks + chunkBlocks - 1) / chunkBlocks)
    lingersAtStep = random.once(in: lingering) ? random.int(1...steps) : 0
    lingersUs = UInt32(random.int(20_000...200_000))
    vanishesAtStep = random.once(in: 12) ? random.int(1...steps) : 0
  }

  func plan(_ prompt: StressPrompt, sequence: SequenceID) -> SequencePlan {
    SequencePlan(
      sequence: sequence, layout: prompt.model.layout, layers: prompt.model.layers,
      chunkBlocks: isPlanned ? chunkBlocks : 0, totalBlocks: prompt.blocks, stagingSlots: stagingSlots,
      ringSlots: ringSlots, ordered: isOrdered, reach: prompt.model.reach)
  }

  func dawdle() { if dawdlesUs > 0 { usleep(dawdlesUs) } }
  func linger() { usleep(lingersUs) }
}
