import TierCore

/// The states of consecutive blocks as runs: `length << 2 | state`, one 32-bit word per run. 1024 resident blocks are
/// one word.
enum BlockRuns {
  static func append(_ state: UInt32, to runs: inout [UInt32]) {
    if let last = runs.last, last & 3 == state {
      runs[runs.count - 1] = last + 4
    } else {
      runs.append(4 | state)
    }
  }

  /// Calls `body` with the state of each block in turn; returns how many there were.
  static func forEach(
    _ runs: [UInt32], states: ClosedRange<UInt32>, _ body: (UInt32) throws(FrameError) -> Void
  ) throws(FrameError) {
    var total: UInt64 = 0
    for run in runs {
      total += UInt64(run >> 2)
      guard run >= 4 else { throw .malformed("a run of no blocks") }
      guard states.contains(run & 3) else { throw .malformed("there is no block state \(run & 3)") }
      _ = try Field.checked(total, "count of blocks", atMost: ProtocolLimits.blocksPerRequest)
    }
    for run in runs {
      for _ in 0..<(run >> 2) { try body(run & 3) }
    }
  }

  static func place(_ slot: SlotRef) -> UInt64 { UInt64(slot.arena.rawValue) << 32 | UInt64(slot.index) }

  static func slot(_ place: UInt64) -> SlotRef {
    SlotRef(arena: ArenaID(UInt32(truncatingIfNeeded: place >> 32)), index: UInt32(truncatingIfNeeded: place))
  }
}

/// The states in the runs of `Reserved` and of `Acquired`.
enum BlockState {
  static let slot: UInt32 = 1
  static let duplicate: UInt32 = 2
  static let resident: UInt32 = 1
  static let moving: UInt32 = 2
  static let lost: UInt32 = 3
}
