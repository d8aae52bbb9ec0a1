import Glibc
import Logging
import Synchronization

/// The level all loggers of the process go by. It can be changed while it runs.
final class LogLevel: Sendable {
  private let level: Mutex<Logger.Level>

  init(_ name: String) { level = Mutex(Logger.Level(rawValue: name) ?? .info) }

  var current: Logger.Level { level.withLock { $0 } }

  /// A name that is none changes nothing: the configuration has been checked.
  func set(_ name: String) { if let new = Logger.Level(rawValue: name) { level.withLock { $0 = new } } }
}

/// One line an event on standard error: what happened, then `key=value` for each figure. In the journal the line begins
/// with its priority (sd-daemon(3)) and the journal has the time; elsewhere with time and level.
struct DaemonLogHandler: LogHandler {
  private let level: LogLevel
  private let isJournal: Bool
  /// What a part of the daemon wants at least, whatever the process does.
  private var floor = Logger.Level.trace
  var metadata: Logger.Metadata = [:]
  var metadataProvider: Logger.MetadataProvider?

  init(_ level: LogLevel, isJournal: Bool) {
    self.level = level
    self.isJournal = isJournal
  }

  var logLevel: Logger.Level {
    get { max(floor, level.current) }
    set { floor = newValue }
  }

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    var all = metadataProvider?.get() ?? [:]
    all.merge(metadata) { $1 }
    all.merge(event.metadata ?? [:]) { $1 }
    let start = isJournal ? "<\(Self.priority(event.level))>" : "\(Self.time()) \(event.level) "
    writeToStandardError(start + Self.line("\(event.message)", all) + "\n")
  }

  /// Sorted by key, so that a line looks the same each time.
  static func line(_ message: String, _ metadata: Logger.Metadata) -> String {
    let fields = metadata.sorted { $0.key < $1.key }.map { key, value in "\(key)=\(quoted("\(value)"))" }
    return ([oneLine(message)] + fields).joined(separator: " ")
  }

  private static func quoted(_ value: String) -> String {
    let value = oneLine(value)
    guard value.isEmpty || value.contains(where: { $0 == " " || $0 == "\"" || $0 == "=" }) else { return value }
    return "\"" + value.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\\\"") + "\""
  }

  /// Names that clients give come in here: they cannot begin a line of their own, nor move a terminal's cursor.
  private static func oneLine(_ text: String) -> String {
    guard text.unicodeScalars.contains(where: isControl) else { return text }
    return String(String.UnicodeScalarView(text.unicodeScalars.map { isControl($0) ? " " : $0 }))
  }

  private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
    scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value)
  }

  private static func priority(_ level: Logger.Level) -> Int {
    switch level {
    case .trace, .debug: 7
    case .info: 6
    case .notice: 5
    case .warning: 4
    case .error: 3
    case .critical: 2
    }
  }

  private static func time() -> String {
    var now = timespec()
    clock_gettime(CLOCK_REALTIME, &now)
    var parts = tm()
    gmtime_r(&now.tv_sec, &parts)
    var text = [CChar](repeating: 0, count: 32)
    let count = strftime(&text, text.count, "%Y-%m-%dT%H:%M:%SZ", &parts)
    return String(decoding: text[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// Whether standard error goes to the journal: JOURNAL_STREAM names the stream's device and inode. A redirection since
  /// makes it another.
  static func isJournal(_ stream: String?) -> Bool {
    var status = stat()
    guard let stream, fstat(STDERR_FILENO, &status) == 0 else { return false }
    return stream == "\(status.st_dev):\(status.st_ino)"
  }
}
