/// Writes Chrome's trace event format, as Perfetto and chrome://tracing read it: a JSON array, one event a line. Readers
/// take an array without its end too, so the trace of a run that was ended can be looked at.
public struct TraceWriter {
  /// A row of the trace: what happens on it nests.
  public struct Track: Sendable, Hashable {
    public let process: Int
    public let thread: Int

    public init(process: Int, thread: Int) {
      self.process = process
      self.thread = thread
    }
  }

  /// What an event says of itself.
  public enum Value: Sendable, Hashable {
    case number(Int)
    case text(String)
  }

  public typealias Arguments = KeyValuePairs<String, Value>

  private var text: [UInt8] = Array("[\n".utf8)
  private var isEmpty = true

  /// Written and not taken yet.
  public var pendingBytes: Int { text.count }

  public init() {}

  /// The bytes written since the last call.
  public mutating func takeBytes() -> [UInt8] {
    defer { text.removeAll(keepingCapacity: true) }
    return text
  }

  public mutating func nameProcess(_ process: Int, _ name: String) {
    event("M", "process_name", Track(process: process, thread: 0), ["name": .text(name)])
  }

  public mutating func nameThread(_ track: Track, _ name: String) {
    event("M", "thread_name", track, ["name": .text(name)])
  }

  /// Something that took from `beganNs` to `endedNs`.
  public mutating func complete(
    _ name: String, category: String, on track: Track, beganNs: UInt64, endedNs: UInt64, _ arguments: Arguments = [:]
  ) {
    let durationNs = endedNs >= beganNs ? endedNs - beganNs : 0
    event("X", name, track, arguments) { line in
      line += #","cat":"# + Self.quoted(category)
      line += ",\"ts\":" + Self.microseconds(beganNs) + ",\"dur\":" + Self.microseconds(durationNs)
    }
  }

  /// Something that happened at a time.
  public mutating func instant(
    _ name: String, category: String, on track: Track, atNs: UInt64, _ arguments: Arguments = [:]
  ) {
    event("i", name, track, arguments) { line in
      line += #","s":"p","cat":"# + Self.quoted(category) + ",\"ts\":" + Self.microseconds(atNs)
    }
  }

  /// Ends the array. Nothing is written after it.
  public mutating func finish() { text += Array("\n]\n".utf8) }

  private mutating func event(
    _ phase: String, _ name: String, _ track: Track, _ arguments: Arguments, _ more: (inout String) -> Void = { _ in }
  ) {
    var line = isEmpty ? "" : ",\n"
    isEmpty = false
    line += "{\"ph\":\"\(phase)\",\"name\":\(Self.quoted(name)),\"pid\":\(track.process),\"tid\":\(track.thread)"
    more(&line)
    if !arguments.isEmpty {
      let pairs = arguments.map { key, value in Self.quoted(key) + ":" + Self.json(value) }
      line += ",\"args\":{" + pairs.joined(separator: ",") + "}"
    }
    text += Array((line + "}").utf8)
  }

  private static func json(_ value: Value) -> String {
    switch value {
    case .number(let number): "\(number)"
    case .text(let text): quoted(text)
    }
  }

  /// The format counts in microseconds; three digits more keep the nanoseconds.
  private static func microseconds(_ ns: UInt64) -> String {
    let rest = String(ns % 1000)
    return "\(ns / 1000)." + String(repeating: "0", count: 3 - rest.count) + rest
  }

  private static func quoted(_ text: String) -> String {
    var quoted = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": quoted += "\\\""
      case "\\": quoted += "\\\\"
      case _ where scalar.value < 0x20:
        let digits = String(scalar.value, radix: 16)
        quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: quoted.unicodeScalars.append(scalar)
      }
    }
    return quoted + "\""
  }
}
