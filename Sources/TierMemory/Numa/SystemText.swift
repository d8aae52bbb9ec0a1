import Glibc

/// Small texts that the kernel shows.
enum SystemText {
  /// Without the line's end; nil where it cannot be read.
  static func read(_ path: String) -> String? {
    let fd = open(path, O_RDONLY | O_CLOEXEC)
    guard fd >= 0 else { return nil }
    defer { close(fd) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 8 << 10)
    // More than any of these texts has.
    while bytes.count < 4 << 20 {
      let count = Glibc.read(fd, &buffer, buffer.count)
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { break }
      bytes += buffer[..<count]
    }
    while bytes.last == UInt8(ascii: "\n") { bytes.removeLast() }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// What follows `key` on the line that begins with it.
  static func line(_ key: String, of path: String) -> String? {
    read(path)?.split(separator: "\n").first { $0.hasPrefix(key) }
      .map { String($0.dropFirst(key.count).trimmingPrefix { $0 == " " || $0 == "\t" }) }
  }

  /// `0-2,7` is 0, 1, 2, 7. What is none is left out.
  static func numbers(_ list: String) -> [Int] {
    list.split(separator: ",").flatMap { part -> [Int] in
      let ends = part.split(separator: "-").compactMap { Int($0.filter { $0 != " " }) }
      guard let first = ends.first, let last = ends.last, first >= 0, first <= last, last < 1 << 16 else { return [] }
      return Array(first...last)
    }
  }

  /// The processor a process ran on last: field 39 of /proc/PID/stat, whose second is a name that may hold anything.
  static func processor(inStat text: String) -> Int? {
    guard let end = text.lastIndex(of: ")") else { return nil }
    let fields = text[text.index(after: end)...].split(separator: " ")
    return fields.count > 36 ? Int(fields[36]) : nil
  }
}
