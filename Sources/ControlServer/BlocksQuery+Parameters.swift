import ControlAPI
import TierCore

extension BlocksQuery {
  /// From the query of `GET /v1/blocks?tier=host&layer=3&key=a1b2&after=…&limit=100`. Throws on a parameter that is
  /// unknown, given twice, or out of range.
  init(parameters: [(name: String, value: String)]) throws(ControlError) {
    self.init()
    var seen: Set<String> = []
    for (name, value) in parameters {
      guard seen.insert(name).inserted else { throw .badRequest("'\(name)' is given twice") }
      try set(name, value)
    }
  }

  private mutating func set(_ name: String, _ value: String) throws(ControlError) {
    switch name {
    case "tier":
      tier = Tier.allCases.first { $0.name == value }
      if tier == nil { throw .badRequest("tier is device, host or disk") }
    case "layer":
      layer = UInt16(value)
      if layer == nil { throw .badRequest("layer is a number from 0 to \(UInt16.max)") }
    case "key":
      key = KeyPrefix(value)
      if key == nil { throw .badRequest("key is 1 to 64 hexadecimal digits") }
    case "after":
      after = BlockCursor(text: value)
      if after == nil { throw .badRequest("after is the 'next' of the page before") }
    case "limit":
      guard let number = Int(value), (1...Self.maxLimit).contains(number) else {
        throw .badRequest("limit is a number from 1 to \(Self.maxLimit)")
      }
      limit = number
    default: throw .badRequest("there is no parameter '\(name)': tier, layer, key, after and limit are known")
    }
  }
}
