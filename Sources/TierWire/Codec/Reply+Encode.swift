import SwiftProtobuf
import TierCore

extension Reply {
  /// Throws where a figure is outside the protocol's limits, which no store that keeps to them produces.
  func body() throws(FrameError) -> WireServerFrame.OneOf_Body {
    switch self {
    case .admitted(let sequence, let staging, let slots):
      .admitted(
        .with {
          $0.sequence = sequence.rawValue
          $0.staging = staging.rawValue
          $0.stagingSlots = UInt32(clamping: slots)
        })
    case .queued(let sequence, let ahead):
      .queued(
        .with {
          $0.sequence = sequence.rawValue
          $0.ahead = UInt32(clamping: ahead)
        })
    case .refused(let sequence, let refusal): .refused(refusal.message(sequence))
    case .extended(let sequence, let named, let cached):
      .extended(
        .with {
          $0.sequence = sequence.rawValue
          $0.named = UInt32(clamping: named)
          $0.cachedBlocks = UInt32(clamping: cached)
        })
    case .reserved(let sequence, let layer, let first, let staged):
      .reserved(try Self.reserved(at: Self.address(sequence, layer, first, staged.count), staged))
    case .sealed(let sequence, let layer, let block, let outcome):
      .sealed(try Self.sealed(at: Self.address(sequence, layer, block, 1), outcome))
    case .durable(let sequence, let layer, let block): .durable(try Self.address(sequence, layer, block, 1))
    case .acquired(let sequence, let layer, let first, let residences):
      .acquired(try Self.acquired(at: Self.address(sequence, layer, first, residences.count), residences))
    case .ready(let sequence, let layer, let block, let slot, let generation):
      .ready(try Self.ready(at: Self.address(sequence, layer, block, 1), slot, generation))
    case .lost(let sequence, let layer, let block): .lost(try Self.address(sequence, layer, block, 1))
    case .closed(let sequence): .closed(.with { $0.sequence = sequence.rawValue })
    case .violation(let violation): .violated(violation.wire)
    }
  }

  private static func address(
    _ sequence: SequenceID, _ layer: Int, _ first: Int, _ count: Int
  ) throws(FrameError) -> WireBlockRange {
    let first = try Field.checked(first, "first block", atMost: SequencePlan.maxBlocks)
    let count = try Field.checked(count, "count of blocks", atMost: ProtocolLimits.blocksPerRequest)
    return try BlockAddress(sequence: sequence, layer: layer, blocks: first..<(first + count)).message()
  }

  private static func reserved(at address: WireBlockRange, _ staged: [Staged]) -> WireReserved {
    var message = WireReserved()
    message.sequence = address.sequence
    message.layer = address.layer
    message.first = address.first
    for block in staged {
      switch block {
      case .slot(let slot):
        BlockRuns.append(BlockState.slot, to: &message.runs)
        message.slots.append(slot)
      case .duplicate: BlockRuns.append(BlockState.duplicate, to: &message.runs)
      }
    }
    return message
  }

  private static func sealed(at address: WireBlockRange, _ outcome: SealOutcome) -> WireSealed {
    var message = WireSealed()
    message.sequence = address.sequence
    message.layer = address.layer
    message.first = address.first
    message.count = address.count
    message.outcome =
      switch outcome {
      case .accepted: .accepted
      case .duplicate: .duplicate
      case .dropped: .dropped
      }
    return message
  }

  private static func acquired(at address: WireBlockRange, _ residences: [Residence]) -> WireAcquired {
    var message = WireAcquired()
    message.sequence = address.sequence
    message.layer = address.layer
    message.first = address.first
    var runs: [UInt32] = []
    var slots: [UInt64] = []
    var generations: [UInt64] = []
    slots.reserveCapacity(residences.count)
    generations.reserveCapacity(residences.count)
    for residence in residences {
      switch residence {
      case .resident(let slot, let generation):
        BlockRuns.append(BlockState.resident, to: &runs)
        slots.append(BlockRuns.place(slot))
        generations.append(generation)
      case .moving: BlockRuns.append(BlockState.moving, to: &runs)
      case .lost: BlockRuns.append(BlockState.lost, to: &runs)
      }
    }
    message.runs = runs
    message.slots = slots
    message.generations = generations
    return message
  }

  private static func ready(at address: WireBlockRange, _ slot: SlotRef, _ generation: UInt64) -> WireReady {
    var message = WireReady()
    message.sequence = address.sequence
    message.layer = address.layer
    message.first = address.first
    message.slots = [BlockRuns.place(slot)]
    message.generations = [generation]
    return message
  }
}
