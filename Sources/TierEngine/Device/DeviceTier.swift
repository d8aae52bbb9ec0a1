public import TierMemory

/// A real device as an engine uses it: its memory, and a queue for each way bytes go.
public struct DeviceTier: Sendable {
  public let backend: any DeviceBackend
  let up: any CopyQueue
  let down: any CopyQueue
  let births: any CopyQueue

  /// Throws where the device has no queues to give.
  public init(_ backend: any DeviceBackend) throws(DeviceError) {
    self.backend = backend
    up = try backend.makeQueue()
    down = try backend.makeQueue()
    births = try backend.makeQueue()
  }

  /// Blocks on their way from the device at once: a real link is done with one before the next could be chosen.
  static let demoteDepth = 32

  private static let extentsWanted = 32
  private static let extentBytesMax = 256 << 20

  /// What one arena of the tier has: memory of the device comes in multiples of its granularity, and goes only whole. Small
  /// enough that one that is part empty wastes little of the budget, large enough that there are not thousands.
  func extentBytes(ofBudget bytes: Int) -> Int {
    let granularity = backend.granularityBytes
    let wanted = min(bytes / Self.extentsWanted, Self.extentBytesMax)
    return max(1, wanted / granularity) * granularity
  }
}
