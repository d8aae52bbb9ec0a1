import FoundationEssentials
import Glibc

/// What the processors are doing while nothing of ours runs.
enum MachineLoad {
  /// The share of all processors' time that others take, looked at for half a second; nil where nobody tells.
  static func othersShare() -> Double? {
    guard let before = times() else { return nil }
    usleep(500_000)
    guard let after = times(), after.all > before.all else { return nil }
    return 1 - Double(after.idle - before.idle) / Double(after.all - before.all)
  }

  /// Clock ticks since the machine started: the first line of /proc/stat, guests left out as they are in user time.
  private static func times() -> (all: Int, idle: Int)? {
    guard let data = FileManager.default.contents(atPath: "/proc/stat") else { return nil }
    let fields = String(decoding: data, as: UTF8.self).prefix { $0 != "\n" }.split(separator: " ")
    let ticks = fields.dropFirst().prefix(8).compactMap { Int($0) }
    guard ticks.count == 8 else { return nil }
    return (ticks.reduce(0, +), ticks[3] + ticks[4])
  }
}
