/// What hostile clients did, as one of them tells it in a line.
struct HostileTally: Equatable, Codable {
  var conversations = 0
  var connections = 0
  /// Hung up on by the daemon before they left, with a reason given or not.
  var ended = 0
  /// Turned away because there were too many.
  var turnedAway = 0
  /// Connections held while others came: silent ones, and those that never read.
  var heldMax = 0
  var framesSent = 0
  var descriptorsSent = 0
  /// Had to be hung up on and were not, in time. None is allowed.
  var notEnded = 0

  private static let fields: [any WritableKeyPath<HostileTally, Int> & Sendable] = [
    \.conversations, \.connections, \.ended, \.turnedAway, \.heldMax, \.framesSent, \.descriptorsSent, \.notEnded,
  ]

  init() {}

  init?(line: some StringProtocol) {
    let numbers = line.split(separator: " ").compactMap { Int($0) }
    guard numbers.count == Self.fields.count else { return nil }
    for (field, number) in zip(Self.fields, numbers) { self[keyPath: field] = number }
  }

  var line: String { Self.fields.map { String(self[keyPath: $0]) }.joined(separator: " ") }

  mutating func add(_ other: HostileTally) {
    let held = max(heldMax, other.heldMax)
    for field in Self.fields { self[keyPath: field] += other[keyPath: field] }
    heldMax = held
  }
}
