import CLinux
import Glibc

/// Segments in whose recovery a process crashed, by what it left in a file as it did (`crash_note.h`). One that did so
/// twice is set aside: the next start succeeds without it. Processes that are killed leave nothing, so that no segment is
/// blamed for an operator's or the kernel's kill.
///
///     the file `deaths`: u64, little-endian, one for each crash: the segment's number + 1
package enum RecoveryDeaths {
  static let fileName = "deaths"
  /// Crashes after which a segment is left alone.
  package static let most = 2
  /// More than any number of crashes leaves.
  private static let maxBytes = 64 << 10

  /// Crashes by segment, as they were left in the directory.
  static func read(in directory: Int32) -> [UInt64: Int] {
    let fd = openat(directory, fileName, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)
    guard fd >= 0 else { return [:] }
    defer { close(fd) }
    var bytes = [UInt8](repeating: 0, count: maxBytes)
    let count = Glibc.read(fd, &bytes, bytes.count)
    var deaths: [UInt64: Int] = [:]
    for at in stride(from: 0, to: max(0, count) / 8 * 8, by: 8) {
      let item = bytes[at..<at + 8].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
      if item > 0 { deaths[item - 1, default: 0] += 1 }
    }
    return deaths
  }

  /// What is recovered without a crash is not blamed any more: those set aside stay.
  static func keep(_ segments: Set<UInt64>, in directory: Int32) {
    guard faccessat(directory, fileName, F_OK, 0) == 0 else { return }
    guard !segments.isEmpty else {
      unlinkat(directory, fileName, 0)
      return
    }
    let bytes = segments.sorted().flatMap { segment in
      Array(repeating: (0..<8).map { UInt8(truncatingIfNeeded: (segment + 1) >> (8 * $0)) }, count: most).flatMap { $0 }
    }
    let unfinished = fileName + ".new"
    let fd = openat(directory, unfinished, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0o600)
    guard fd >= 0 else { return }
    let isWhole = write(fd, bytes, bytes.count) == bytes.count
    close(fd)
    if isWhole { renameat(directory, unfinished, directory, fileName) }
  }
}

extension SpillDisk {
  package func recoveryDeaths() -> [UInt64: Int] { [:] }
  package func keepRecoveryDeaths(of segments: Set<UInt64>) {}
  package func recover<Result>(_ segment: UInt64, _ body: () throws(SpillError) -> Result) throws(SpillError) -> Result
  {
    try body()
  }
}

extension PosixDisk {
  package func recoveryDeaths() -> [UInt64: Int] { RecoveryDeaths.read(in: directory) }

  package func keepRecoveryDeaths(of segments: Set<UInt64>) { RecoveryDeaths.keep(segments, in: directory) }

  /// Runs what recovers the segment. A crash in it is noted.
  package func recover<Result>(_ segment: UInt64, _ body: () throws(SpillError) -> Result) throws(SpillError) -> Result
  {
    guard notesCrashes, tierd_crash_note_arm(directory, RecoveryDeaths.fileName) == 0 else { return try body() }
    tierd_crash_note_item(segment + 1)
    defer { tierd_crash_note_item(0) }
    if segment == diesRecovering { fatalError("a test: the process dies in the recovery of segment \(segment)") }
    return try body()
  }
}
