import Foundation
import Glibc
import Testing

/// A disk that returns other bytes than were written, in the middle of a prefill: what it damages is computed again, and
/// the result keeps its bits.
@Suite(.serialized) struct CorruptionTests {
  let home: Workspace
  let run: ReferenceRun

  private static let flips = 16

  init() throws {
    home = try Workspace()
    run = try ReferenceRun.shared.get()
  }

  @Test("Damaged blocks are never served: they are computed again to the bit")
  func damagedSegments() throws {
    let daemon = try Daemon("daemon", .init(device: "4MiB", host: "4MiB", link: "64MiB/s"), in: home)
    let worker = try run.start(.daemon(daemon), in: home)
    let vandal = Vandal(directory: home.path + "/daemon/state/spill")
    // Some blocks, not all: one that is lost faster than it is computed is given up.
    while worker.isRunning {
      if vandal.flipped < Self.flips { vandal.flipOneByteInEachSegment() }
      usleep(50_000)
    }
    let result = try Evaluation(worker)
    #expect(vandal.flipped > 0)
    #expect(result.tiers.lost > 0)
    #expect(result.recomputedBlocks > 0)
    #expect(result.isIdentical(to: run.result))
  }
}

/// Flips bytes of segment files where records are.
private final class Vandal {
  private let directory: String
  private var random = SystemRandomNumberGenerator()
  private(set) var flipped = 0

  /// Segments are allocated whole: what is beyond the records reads as zeros, and damages nobody.
  private static let tries = 64

  init(directory: String) { self.directory = directory }

  func flipOneByteInEachSegment() {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
    for name in names where name.hasSuffix(".segment") { flipOneByte(directory + "/" + name) }
  }

  private func flipOneByte(_ path: String) {
    let file = open(path, O_RDWR | O_CLOEXEC)
    guard file >= 0 else { return }
    defer { close(file) }
    let size = lseek(file, 0, SEEK_END)
    guard size > 8192 else { return }
    for _ in 0..<Self.tries {
      let offset = off_t.random(in: 4096..<size, using: &random)
      var byte: UInt8 = 0
      guard pread(file, &byte, 1, offset) == 1, byte != 0 else { continue }
      byte ^= 0x10
      guard pwrite(file, &byte, 1, offset) == 1 else { return }
      flipped += 1
      return
    }
  }
}
