import TierCore

/// Carries out copies between slots, on threads of its own, and tells of each as it ends.
protocol BlockMover: Sendable {
  /// - Parameter node: of the host, where the bytes are; nil where that is not known or does not matter.
  func push(_ job: CopyJob, node: Int?)
  /// Whether it matters where the bytes are.
  var isDivided: Bool { get }
  var progress: [WorkProgress] { get }
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
