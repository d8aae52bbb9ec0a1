/// Durations in buckets of a quarter power of two, from 1 µs up: about 19 % wide, no memory per sample.
public struct LatencyHistogram: Sendable, Hashable {
  private var counts = [UInt64](repeating: 0, count: 128)
  public private(set) var samples: UInt64 = 0
  public private(set) var totalNs: UInt64 = 0
  public private(set) var maxNs: UInt64 = 0

  public init() {}

  mutating func add(ns: UInt64) {
    samples += 1
    totalNs &+= ns
    maxNs = max(maxNs, ns)
    counts[Self.bucket(ns)] += 1
  }

  /// The upper edge of the bucket that holds the given fraction of the samples; 0 without any.
  public func percentileNs(_ fraction: Double) -> UInt64 {
    guard samples > 0 else { return 0 }
    let wanted = UInt64((Double(samples) * fraction).rounded(.up))
    var seen: UInt64 = 0
    for (i, count) in counts.enumerated() {
      seen += count
      if seen >= max(1, wanted) { return min(maxNs, Self.upperEdgeNs(i)) }
    }
    return maxNs
  }

  private static func bucket(_ ns: UInt64) -> Int {
    guard ns >= 1024 else { return 0 }
    let exponent = 63 - ns.leadingZeroBitCount
    let quarter = Int(ns >> UInt64(exponent - 2)) & 3
    return min((exponent - 10) * 4 + quarter + 1, 127)
  }

  private static func upperEdgeNs(_ bucket: Int) -> UInt64 {
    guard bucket > 0 else { return 1024 }
    let (exponent, quarter) = ((bucket - 1) / 4 + 10, UInt64((bucket - 1) % 4))
    return (5 + quarter) << UInt64(exponent - 2)
  }
}
