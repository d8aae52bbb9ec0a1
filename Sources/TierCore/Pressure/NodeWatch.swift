/// Which nodes are short of memory. Pure: readings come in.
///
/// A node is short once what could be had there falls below a reserve, and no longer once there is twice as much: in between
/// it stays what it was.
public struct NodeWatch: Sendable {
  private(set) public var short: Set<Int> = []

  public init() {}

  /// Of a node's memory, what stays free for others.
  public static func reserve(of totalBytes: Int) -> Int { PressurePolicy.reserve(ofMachine: totalBytes) }

  /// Answers whether they are others now. A node nothing is known of stays what it was.
  public mutating func take(_ readings: [(node: Int, totalBytes: Int, availableBytes: Int)]) -> Bool {
    let before = short
    for reading in readings {
      let reserve = Self.reserve(of: reading.totalBytes)
      if reading.availableBytes < reserve { short.insert(reading.node) }
      if reading.availableBytes >= 2 * reserve { short.remove(reading.node) }
    }
    return short != before
  }
}
