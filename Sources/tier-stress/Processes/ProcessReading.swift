import FoundationEssentials
import Glibc

/// What a process takes of the machine at one moment, as /proc tells.
struct ProcessReading: Codable, Equatable {
  /// Resident memory, the tiers' shared memory in it; and of that the process's own.
  var rssBytes = 0
  var ownBytes = 0
  var fds = 0
  var threads = 0

  init() {}

  /// Throws where the process is gone.
  init(pid: pid_t) throws(StressFault) {
    guard let status = FileManager.default.contents(atPath: "/proc/\(pid)/status"),
      let names = try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/fd")
    else { throw .missing("process \(pid) cannot be read: it has ended, or belongs to another user") }
    fds = names.count
    for line in String(decoding: status, as: UTF8.self).split(separator: "\n") {
      let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
      guard words.count > 1, let number = Int(words[1]) else { continue }
      switch words[0] {
      case "VmRSS:": rssBytes = number << 10
      case "RssAnon:": ownBytes = number << 10
      case "Threads:": threads = number
      default: continue
      }
    }
  }

  /// The largest of each.
  func peak(_ other: ProcessReading) -> ProcessReading {
    var peak = self
    peak.rssBytes = max(rssBytes, other.rssBytes)
    peak.ownBytes = max(ownBytes, other.ownBytes)
    peak.fds = max(fds, other.fds)
    peak.threads = max(threads, other.threads)
    return peak
  }
}
