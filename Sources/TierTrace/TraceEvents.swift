public import FoundationEssentials

/// The events of a trace, read back.
public struct TraceEvents {
  public struct Event: Decodable, Sendable {
    public struct Arguments: Decodable, Sendable {
      public let bytes: Int?
      public let records: Int?
      public let outcome: String?
      public let link: String?
    }

    public let ph: String
    public let name: String
    public let cat: String?
    public let pid: Int
    public let tid: Int
    public let ts: Double?
    public let dur: Double?
    public let args: Arguments?

    /// Of an event that took time.
    var range: Range<UInt64>? {
      guard ph == "X", let ts, let dur, ts >= 0, dur >= 0, ts < 1e15, dur < 1e15 else { return nil }
      return UInt64((ts * 1000).rounded())..<UInt64(((ts + dur) * 1000).rounded())
    }
  }

  public struct Unreadable: Error {}

  public let events: [Event]
  /// Whether the run that wrote it came to its end.
  public let isComplete: Bool

  /// - Throws: `Unreadable` where it is no trace event array.
  public init(_ data: Data) throws(Unreadable) {
    if let events = try? JSONDecoder().decode([Event].self, from: data) {
      (self.events, isComplete) = (events, true)
      return
    }
    // One event a line: of a run that was ended, all but the last line is whole.
    let lines = data.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: true)
    guard lines.first.map({ Array($0) }) == [UInt8(ascii: "[")] else { throw Unreadable() }
    var events: [Event] = []
    for (i, line) in lines.dropFirst().enumerated() {
      let line = line.last == UInt8(ascii: ",") ? line.dropLast() : line
      if let event = try? JSONDecoder().decode(Event.self, from: Data(line)) {
        events.append(event)
      } else if i != lines.count - 2 {
        throw Unreadable()
      }
    }
    (self.events, isComplete) = (events, false)
  }
}
