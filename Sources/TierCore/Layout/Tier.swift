/// Where bytes can be. Raw values are part of the worker protocol.
public enum Tier: UInt8, Sendable, Hashable, CaseIterable, Comparable {
  case device = 0
  case host = 1
  case disk = 2

  public static func < (a: Tier, b: Tier) -> Bool { a.rawValue < b.rawValue }

  public var name: String {
    switch self {
    case .device: "device"
    case .host: "host"
    case .disk: "disk"
    }
  }
}
