import TierCore

/// Carries out copies between slots, on threads of its own, and tells of each as it ends.
protocol BlockMover: Sendable {
  func push(_ job: CopyJob)
  var progress: WorkProgress { get }
  /// Ends its threads, after what they were given.
  func stop()
}

/// One copy from slot to slot.
struct CopyJob: Sendable {
  let move: MoveID
  let from: SlotAddress
  let to: SlotAddress
  let bytes: Int
  /// A birth: the checksum of what arrived is wanted.
  let isIngest: Bool
  /// When a link of a given speed was asked for it.
  var queuedNs: UInt64 = 0
}
