/// Stretches of time, apart and in order.
struct Intervals {
  private(set) var ranges: [Range<UInt64>] = []

  /// The union of any ranges.
  init(_ any: [Range<UInt64>]) {
    for range in any.sorted(by: { $0.lowerBound < $1.lowerBound }) where !range.isEmpty {
      if let last = ranges.last, range.lowerBound <= last.upperBound {
        ranges[ranges.count - 1] = last.lowerBound..<max(last.upperBound, range.upperBound)
      } else {
        ranges.append(range)
      }
    }
  }

  var length: UInt64 { ranges.reduce(0) { $0 + ($1.upperBound - $1.lowerBound) } }

  /// What is in this and not in the other.
  func subtracting(_ other: Intervals) -> Intervals {
    var rest: [Range<UInt64>] = []
    var j = 0
    for range in ranges {
      var start = range.lowerBound
      while j < other.ranges.count, other.ranges[j].upperBound <= start { j += 1 }
      var k = j
      while k < other.ranges.count, other.ranges[k].lowerBound < range.upperBound {
        if other.ranges[k].lowerBound > start { rest.append(start..<other.ranges[k].lowerBound) }
        start = max(start, other.ranges[k].upperBound)
        k += 1
      }
      if start < range.upperBound { rest.append(start..<range.upperBound) }
    }
    return Intervals(rest)
  }

  /// How much of this is in the other too.
  func overlap(_ other: Intervals) -> UInt64 {
    var (i, j) = (0, 0)
    var sum: UInt64 = 0
    while i < ranges.count, j < other.ranges.count {
      let (a, b) = (ranges[i], other.ranges[j])
      let (start, end) = (max(a.lowerBound, b.lowerBound), min(a.upperBound, b.upperBound))
      if start < end { sum += end - start }
      if a.upperBound < b.upperBound { i += 1 } else { j += 1 }
    }
    return sum
  }
}
