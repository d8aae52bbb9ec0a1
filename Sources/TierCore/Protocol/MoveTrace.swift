// What a session may see of the moves of its own blocks: for traces, never for decisions.

/// A way bytes go. Raw values are part of the worker protocol.
public enum MoveLink: UInt8, Sendable, Hashable, CaseIterable {
  case workerToDevice = 1
  case workerToHost = 2
  case deviceToHost = 3
  case hostToDevice = 4
  case hostToDisk = 5
  case diskToHost = 6

  /// `from` and `to` as reports name them: worker, device, host, disk.
  public var ends: (from: String, to: String) {
    switch self {
    case .workerToDevice: ("worker", "device")
    case .workerToHost: ("worker", "host")
    case .deviceToHost: ("device", "host")
    case .hostToDevice: ("host", "device")
    case .hostToDisk: ("host", "disk")
    case .diskToHost: ("disk", "host")
    }
  }
}

/// How a traced move ended. Raw values are part of the worker protocol.
public enum TracedOutcome: UInt8, Sendable, Hashable, CaseIterable {
  /// The bytes arrived, and the move is counted.
  case moved = 1
  /// A write found no space under the cap.
  case full = 2
  /// What was read is not what was written.
  case corrupt = 3
  case failed = 4

  public init(_ outcome: MoveOutcome) {
    self =
      switch outcome {
      case .ingested, .copied, .durable, .verified: .moved
      case .full: .full
      case .corrupt: .corrupt
      case .failed: .failed
      }
  }
}

/// One block's way over one link. Times are of CLOCK_MONOTONIC, which the processes of a machine share. Blocks moved as a
/// group have the group's times.
public struct TracedMove: Sendable, Hashable {
  public let link: MoveLink
  /// Which of the link's movers carried it, from 0: one is at one group at a time.
  public let mover: Int
  public let sequence: SequenceID
  public let layer: Int
  /// Index in the sequence.
  public let block: Int
  public let bytes: Int
  public let beganNs: UInt64
  public let endedNs: UInt64
  public let outcome: TracedOutcome

  public static let maxMovers = 64

  public init(
    link: MoveLink, mover: Int, sequence: SequenceID, layer: Int, block: Int, bytes: Int, beganNs: UInt64,
    endedNs: UInt64, outcome: TracedOutcome
  ) {
    self.link = link
    self.mover = mover
    self.sequence = sequence
    self.layer = layer
    self.block = block
    self.bytes = bytes
    self.beganNs = beganNs
    self.endedNs = endedNs
    self.outcome = outcome
  }
}

/// What is in a trace, in the order in which the store took note of it.
public enum TraceRecord: Sendable, Hashable {
  case move(TracedMove)
  /// This session read the store's statistics: the moves before it are in them, those after it are not.
  case statistics(atNs: UInt64)
}

/// What was recorded of a session since it asked last.
public struct MoveTrace: Sendable, Hashable {
  public var records: [TraceRecord]
  /// Records there was no room for, since it asked last.
  public var dropped: Int
  /// Records that wait to be asked for.
  public var left: Int

  public static let maxRecords = 1024

  public init(records: [TraceRecord] = [], dropped: Int = 0, left: Int = 0) {
    self.records = records
    self.dropped = dropped
    self.left = left
  }
}

/// A session that can be told which of its blocks moved.
public protocol TracedSession: ResidencySession {
  /// The first call starts recording; each answers what was recorded since the one before, a bounded part at a time. Only
  /// blocks that this session names from now on are in it.
  /// - Throws: `incompatible` where the store has no traces.
  func takeTrace() throws(ResidencyError) -> MoveTrace
}
