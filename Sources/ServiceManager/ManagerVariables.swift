/// The variables a service manager leaves in the environment. Numbers are decimal digits within sane bounds; anything else
/// is a fault of whoever set them, and is named.
struct ManagerVariables {
  private let environment: [String: String]
  private let pid: Int32

  /// Descriptors that can be passed: more than any unit's FileDescriptorStoreMax= is worth.
  static let descriptorsMax = 4096

  init(_ environment: [String: String], pid: Int32) {
    self.environment = environment
    self.pid = pid
  }

  var notifySocket: String? { environment["NOTIFY_SOCKET"].flatMap { $0.isEmpty ? nil : $0 } }

  /// Nil where no watchdog is wanted, or of another process.
  func watchdogInterval() throws(ServiceManagerError) -> Duration? {
    guard environment["WATCHDOG_USEC"] != nil, isForThisProcess("WATCHDOG_PID", isNeeded: false) else { return nil }
    let day = 24 * 3600 * 1_000_000
    return .microseconds(try number("WATCHDOG_USEC", in: 1...(365 * day)))
  }

  /// Advice only: what does not read as a number is no advice.
  func storeCapacity() -> Int? { environment["FDSTORE"].flatMap { Int($0) }.flatMap { $0 >= 0 ? $0 : nil } }

  /// Nil where none were passed, or to another process.
  func passedDescriptors(first: Int32) throws(ServiceManagerError) -> PassedDescriptors? {
    guard environment["LISTEN_FDS"] != nil, isForThisProcess("LISTEN_PID", isNeeded: true) else { return nil }
    let count = try number("LISTEN_FDS", in: 0...Self.descriptorsMax)
    guard count > 0 else { return nil }
    return PassedDescriptors(first: first, names: try names(count))
  }

  /// One name each. A manager without names (LISTEN_FDNAMES is not set) gives none.
  private func names(_ count: Int) throws(ServiceManagerError) -> [String] {
    guard let text = environment["LISTEN_FDNAMES"] else { return Array(repeating: "unknown", count: count) }
    let names = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
    guard names.count == count, names.allSatisfy({ $0.isEmpty || PassedDescriptor.isUsable(name: $0) }) else {
      throw .variable("LISTEN_FDNAMES", value: text)
    }
    return names
  }

  private func isForThisProcess(_ name: String, isNeeded: Bool) -> Bool {
    guard let text = environment[name] else { return !isNeeded }
    return Int32(text) == pid
  }

  private func number(_ name: String, in range: ClosedRange<Int>) throws(ServiceManagerError) -> Int {
    let text = environment[name] ?? ""
    let isPlain = !text.isEmpty && text.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    guard isPlain, let value = Int(text), range.contains(value) else { throw .variable(name, value: text) }
    return value
  }
}
