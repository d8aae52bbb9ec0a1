/// One measured number, beside what it should be.
struct Figure: Codable, Sendable {
  /// Standard terms, the unit last: `acquire_release_p50_us`.
  let name: String
  /// The same for people.
  let title: String
  let unit: Unit
  let value: Double
  var target: Target?
  /// How many measurements the value summarises; and those themselves where they are few.
  let sampleCount: Int
  let samples: [Double]

  enum Unit: String, Codable, Sendable {
    case microseconds = "us"
    case seconds = "s"
    /// Of two times, or of two counts of work done in a time.
    case ratio
    case tokensPerSecond = "tokens/s"
    case gigabytesPerSecond = "GB/s"
    case gigaflops = "GFLOP/s"
    case blocks
    case percent = "%"
    /// Of a hundred: differences of percentages.
    case points = "points"
    case bytes
    /// What torch.compile made of a model.
    case graphs
    /// Of text, whose logits were looked at.
    case positions
  }

  /// What the value should be at most, or at least.
  enum Target: Codable, Sendable, Equatable {
    case atMost(Double)
    case atLeast(Double)

    func isMet(by value: Double) -> Bool {
      switch self {
      case .atMost(let limit): value <= limit
      case .atLeast(let limit): value >= limit
      }
    }
  }

  var isMet: Bool? { target?.isMet(by: value) }

  static let samplesKeptMax = 100

  /// The median of samples.
  static func median(
    _ name: String, _ title: String, _ unit: Unit, of samples: [Double], target: Target? = nil
  ) -> Figure {
    Figure(name, title, unit, value: samples.median, target: target, samples: samples)
  }

  init(_ name: String, _ title: String, _ unit: Unit, value: Double, target: Target? = nil, samples: [Double] = []) {
    self.name = name
    self.title = title
    self.unit = unit
    self.value = value
    self.target = target
    sampleCount = max(1, samples.count)
    self.samples = samples.count <= Self.samplesKeptMax ? samples : []
  }
}

extension [Double] {
  /// The middle value, or the mean of the two middle ones.
  var median: Double {
    precondition(!isEmpty, "a median is of something")
    let sorted = sorted()
    return count % 2 == 1 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2
  }

  /// The nearest-rank percentile: the smallest value that `percent` of all do not exceed.
  func percentile(_ percent: Double) -> Double {
    precondition(!isEmpty, "a percentile is of something")
    let rank = Int((percent / 100 * Double(count)).rounded(.up))
    return sorted()[Swift.min(Swift.max(rank, 1), count) - 1]
  }
}
