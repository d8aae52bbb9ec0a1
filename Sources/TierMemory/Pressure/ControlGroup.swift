public import TierCore

/// A control group (version 2) with a memory controller that this process is in, by itself or by its parents.
final class ControlGroup {
  let name: String
  private let current: PseudoFile
  private let high: PseudoFile?
  private let max: PseudoFile?
  private let statistics: PseudoFile?
  let events: PseudoFile?

  /// Nil where the directory is none with a memory controller.
  init?(directory: String, name: String) {
    guard let current = PseudoFile(directory + "/memory.current") else { return nil }
    self.name = name
    self.current = current
    high = PseudoFile(directory + "/memory.high")
    max = PseudoFile(directory + "/memory.max")
    statistics = PseudoFile(directory + "/memory.stat")
    events = PseudoFile(directory + "/memory.events")
  }

  /// Nil where the group has no limit now.
  func reading() -> MemoryReading.Group? {
    let (high, max) = (high?.number() ?? .max, max?.number() ?? .max)
    guard Swift.min(high, max) < .max, let used = current.number() else { return nil }
    // Cached files, other than memory files, the kernel takes back by itself.
    let reclaimable =
      statistics?.read { text in
        ["inactive_file ", "active_file ", "slab_reclaimable "].reduce(0) { sum, key in
          sum + (PseudoFile.number(after: key, in: text) ?? 0)
        }
      } ?? 0
    return .init(
      name: name, usedBytes: Swift.max(0, used - reclaimable), limitBytes: Swift.min(high, max), isHard: max < high)
  }

  /// The groups this process is in that can have limits, its own first. The root of the hierarchy has none.
  static func own(procDirectory: String) -> (groups: [ControlGroup], directory: String?) {
    guard let mount = mountPoint(procDirectory), var path = ownPath(procDirectory) else { return ([], nil) }
    let directory = mount + (path == "/" ? "" : path)
    var groups: [ControlGroup] = []
    while path != "/", !path.isEmpty {
      if let group = ControlGroup(directory: mount + path, name: String(path.dropFirst())) { groups.append(group) }
      path = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? ""
    }
    // In a control group namespace its root is a group like any other.
    if let group = ControlGroup(directory: mount, name: "/") { groups.append(group) }
    return (groups, directory)
  }

  /// `0::/system.slice/tierd.service`
  private static func ownPath(_ procDirectory: String) -> String? {
    lines(of: procDirectory + "/self/cgroup").first { $0.hasPrefix("0::/") }.map { String($0.dropFirst(3)) }
  }

  /// Of the hierarchy of version 2: the fifth field, where the file system, after the dash, is `cgroup2`.
  private static func mountPoint(_ procDirectory: String) -> String? {
    for line in lines(of: procDirectory + "/self/mountinfo") where line.contains(" - cgroup2 ") {
      let fields = line.split(separator: " ")
      if fields.count > 4 { return String(fields[4]) }
    }
    return nil
  }

  private static func lines(of path: String) -> [Substring] {
    PseudoFile(path)?.read { String(decoding: $0, as: UTF8.self).split(separator: "\n").map { $0 } } ?? []
  }
}
