import Glibc
public import TierCore

/// Where a sensor looks. The defaults are this machine's; tests give files of their own.
public struct MemorySources: Sendable {
  public var procDirectory: String
  /// For the service manager's offer: `MEMORY_PRESSURE_WATCH`, `MEMORY_PRESSURE_WRITE`.
  public var environment: [String: String]

  public init(procDirectory: String = "/proc", environment: [String: String] = [:]) {
    self.procDirectory = procDirectory
    self.environment = environment
  }
}

/// Reads what the machine says of its memory: pressure stall information, control groups' limits, free memory, and the
/// service manager's word. What is missing is missing: the rest is read. Used by one thread.
public final class MemorySensor {
  private let groups: [ControlGroup]
  private let ownPressure: PseudoFile?
  private let systemPressure: PseudoFile?
  private let memory: PseudoFile?
  private var watches: [PressureWatch] = []
  /// One line about each source that is not to be had, and what that costs.
  public private(set) var missing: [String] = []

  public init(_ sources: MemorySources) {
    let found = ControlGroup.own(procDirectory: sources.procDirectory)
    groups = found.groups
    let ownPath = found.directory.map { $0 + "/memory.pressure" }
    let systemPath = sources.procDirectory + "/pressure/memory"
    ownPressure = ownPath.flatMap { PseudoFile($0) }
    systemPressure = PseudoFile(systemPath)
    memory = PseudoFile(sources.procDirectory + "/meminfo")
    watch(sources.environment, ownPath, systemPath)
    note(hasOffer: watches.contains { $0.isAuthority })
  }

  private func watch(_ environment: [String: String], _ ownPath: String?, _ systemPath: String) {
    do throws(PressureWatch.Fault) {
      if let offered = try PressureWatch.offered(environment) { watches.append(offered) }
    } catch {
      missing.append("the service manager's word on memory pressure is not to be had: \(error.message)")
    }
    // Only to be woken sooner: without them, which takes rights a service may lack, the files are read all the same.
    for path in [ownPath, systemPath].compactMap({ $0 }) where !watches.contains(where: { $0.path == path }) {
      if let watch = try? PressureWatch.kernel(path) { watches.append(watch) }
    }
  }

  private func note(hasOffer: Bool) {
    if groups.isEmpty {
      missing.append("no control group (version 2) with a memory controller: limits of control groups are not seen")
    }
    if ownPressure == nil, systemPressure == nil, !hasOffer {
      missing.append(
        "no pressure stall information (psi=1, or ProcSubset=all): tasks that wait for memory are not seen")
    }
    if memory == nil { missing.append("no /proc/meminfo (ProcSubset=all): free memory of the machine is not seen") }
  }

  /// One line naming what is read.
  public var summary: String {
    var parts: [String] = []
    if let own = groups.first { parts.append("limits of control group \(own.name)") }
    if ownPressure != nil { parts.append("its memory.pressure") }
    if systemPressure != nil { parts.append("the machine's memory.pressure") }
    if memory != nil { parts.append("free memory") }
    if let offered = watches.first(where: { $0.isAuthority }) { parts.append("the service manager's \(offered.path)") }
    return parts.isEmpty ? "nothing" : parts.joined(separator: ", ")
  }

  /// Waits for news of pressure, at most so long. Answers whether someone said that our memory is short.
  public func wait(timeoutMs: Int32) -> Bool {
    var entries = watches.map(\.pollEntry)
    guard poll(&entries, nfds_t(entries.count), timeoutMs) > 0 else { return false }
    var isTold = false
    for (watch, entry) in zip(watches, entries) {
      let isNews = watch.hear(entry.revents)
      if isNews, watch.isAuthority { isTold = true }
    }
    watches.removeAll { !$0.isOpen }
    return isTold
  }

  public func reading(isTold: Bool = false) -> MemoryReading {
    let kibibytes = memory?.read { text -> (Int, Int)? in
      guard let total = PseudoFile.number(after: "MemTotal:", in: text),
        let available = PseudoFile.number(after: "MemAvailable:", in: text)
      else { return nil }
      return (total, available)
    }
    return MemoryReading(
      groups: groups.compactMap { $0.reading() }, availableBytes: kibibytes.map { $0.1 << 10 },
      totalBytes: kibibytes.map { $0.0 << 10 }, ownStallUs: Self.stall(ownPressure),
      systemStallUs: Self.stall(systemPressure), isTold: isTold)
  }

  /// `some avg10=0.00 avg60=0.00 avg300=0.00 total=1234`: the first line is that of `some`.
  private static func stall(_ file: PseudoFile?) -> UInt64? {
    file?.number(after: "total=").map { UInt64(clamping: $0) }
  }

  /// How often the own control group met its limits: the counters of `memory.events`.
  public func limitEvents() -> [(name: String, count: Int)] {
    guard let file = groups.first?.events else { return [] }
    let names: [(String, StaticString)] = [
      ("high", "high "), ("max", "max "), ("oom", "oom "), ("oom_kill", "oom_kill "),
    ]
    return names.compactMap { name, key in file.number(after: key).map { (name, $0) } }
  }
}
