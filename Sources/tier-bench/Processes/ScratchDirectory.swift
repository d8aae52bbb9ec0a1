import FoundationEssentials
import Glibc

/// A directory for daemons' state and programs' output, removed at the end.
final class ScratchDirectory: Sendable {
  let path: String

  init() throws(BenchFault) {
    let base = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    // A spill in memory would be no spill.
    var template = Array("\(Self.isInMemory(base) ? "/var/tmp" : base)/tier-bench.XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else {
      throw .io("cannot make a directory in \(base): \(String(cString: strerror(errno)))")
    }
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// A new directory in it, of this user alone.
  func directory(_ name: String) throws(BenchFault) -> String {
    let directory = path + "/" + name
    guard mkdir(directory, 0o700) == 0 else {
      throw .io("cannot make \(directory): \(String(cString: strerror(errno)))")
    }
    return directory
  }

  func remove() { Self.remove(path) }

  static func remove(_ path: String) { try? FileManager.default.removeItem(atPath: path) }

  var isInMemory: Bool { Self.isInMemory(path) }

  /// Whether files there take memory, by the mount they are in. statfs(2) would say so too, but Swift does not see it.
  private static func isInMemory(_ path: String) -> Bool {
    guard let real = realpath(path, nil) else { return false }
    defer { free(real) }
    let place = String(cString: real) + "/"
    guard let mounts = FileManager.default.contents(atPath: "/proc/self/mounts") else { return false }
    var nearest: (point: String, type: Substring) = ("", "")
    for line in String(decoding: mounts, as: UTF8.self).split(separator: "\n") {
      let fields = line.split(separator: " ")
      guard fields.count > 2 else { continue }
      let point = fields[1] == "/" ? "/" : String(fields[1]) + "/"
      // Of two at the same place the later one covers the earlier.
      if place.hasPrefix(point), point.count >= nearest.point.count { nearest = (point, fields[2]) }
    }
    return nearest.type == "tmpfs" || nearest.type == "ramfs"
  }

  /// The directory this program is in.
  static var ofThisProgram: String {
    var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
    let count = readlink("/proc/self/exe", &buffer, buffer.count)
    let path = String(decoding: buffer.prefix(max(0, count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
  }
}
