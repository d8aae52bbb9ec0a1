import TierCore

/// Numbers from outside become `Int` here, and nowhere else, each against its limit.
enum Field {
  static func checked(
    _ value: some BinaryInteger, _ name: StaticString, atMost limit: Int
  ) throws(FrameError) -> Int {
    guard value >= 0, value <= limit else { throw .malformed("\(name) is \(value), at most \(limit) is allowed") }
    return Int(value)
  }

  static func amount(_ value: UInt64, _ name: StaticString) throws(FrameError) -> Int {
    try checked(value, name, atMost: Int.max)
  }

  static func layer(_ value: UInt32) throws(FrameError) -> Int {
    try checked(value, "layer", atMost: SequencePlan.maxLayers - 1)
  }

  /// The first block of a range whose length comes from elsewhere in the message.
  static func first(_ value: UInt32, count: Int) throws(FrameError) -> Int {
    try range(first: value, count: count).lowerBound
  }

  static func range(first: UInt32, count: some BinaryInteger) throws(FrameError) -> Range<Int> {
    let first = try checked(first, "first block", atMost: SequencePlan.maxBlocks)
    let count = try checked(count, "count of blocks", atMost: ProtocolLimits.blocksPerRequest)
    guard first + count <= SequencePlan.maxBlocks else {
      throw .malformed("blocks end at \(first + count), at most \(SequencePlan.maxBlocks) is allowed")
    }
    return first..<(first + count)
  }

  /// A range of at least one block.
  static func run(first: UInt32, count: UInt32) throws(FrameError) -> Range<Int> {
    let run = try range(first: first, count: count)
    guard !run.isEmpty else { throw .malformed("a run of no blocks") }
    return run
  }

  static func tier(_ tier: WireTier) throws(FrameError) -> Tier {
    switch tier {
    case .device: .device
    case .host: .host
    case .disk: .disk
    case .UNRECOGNIZED(let value): throw .malformed("there is no tier \(value)")
    }
  }

  static let textBytesMax = 1024

  static func text(_ text: String, _ name: StaticString) throws(FrameError) -> String {
    _ = try checked(text.utf8.count, name, atMost: textBytesMax)
    return text
  }
}

extension WireTier {
  init(_ tier: Tier) {
    switch tier {
    case .device: self = .device
    case .host: self = .host
    case .disk: self = .disk
    }
  }
}

extension String {
  /// At most `bytes` of UTF-8, whole characters.
  func clipped(toBytes bytes: Int) -> String {
    guard utf8.count > bytes else { return self }
    var kept = ""
    for character in self {
      if kept.utf8.count + character.utf8.count > bytes { break }
      kept.append(character)
    }
    return kept
  }
}
