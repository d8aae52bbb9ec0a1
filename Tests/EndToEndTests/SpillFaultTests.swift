import ControlAPI
import Foundation
import Glibc
import Testing

/// A disk that fails under the daemon: memory goes on serving, the same bits come out, status, metrics and log say what is
/// wrong, and the disk tier comes back by itself when the cause goes away.
@Suite(.serialized) struct SpillFaultTests {
  let home: Workspace
  let run: ReferenceRun
  let directory: String

  /// Memory for the whole text, and segments of the least size.
  private static let budgets = Daemon.Budgets(device: "4MiB", host: "64MiB", disk: "64MiB")
  private static let needsMounts = Comment("only who may mount file systems can make such a disk")

  init() throws {
    home = try Workspace()
    run = try ReferenceRun.shared.get()
    directory = home.path + "/daemon/state/spill"
  }

  private func makeDirectory() throws {
    for path in ["daemon", "daemon/state", "daemon/state/spill"] { chmod(try home.makeDirectory(path), 0o700) }
  }

  private func expectSameBits(_ daemon: Daemon, sourceLocation: SourceLocation = #_sourceLocation) throws {
    let result = try Evaluation(run.start(.daemon(daemon), in: home))
    #expect(result.isIdentical(to: run.result), sourceLocation: sourceLocation)
  }

  private func health(_ daemon: Daemon) throws -> String { try #require(daemon.status().spill).health }

  /// Until status says so; then metrics and log must, too.
  private func expectTold(
    _ daemon: Daemon, _ words: String..., sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let isTold = try eventually(seconds: 15) {
      let health = try health(daemon)
      return health != "ok" && words.allSatisfy { health.contains($0) }
    }
    let said = try health(daemon)
    #expect(isTold, "status says: \(said)", sourceLocation: sourceLocation)
    #expect(try metric("tierd_spill_healthy", daemon) == "0", sourceLocation: sourceLocation)
    let isLogged = eventually(seconds: 5) { words.allSatisfy { daemon.process.error.contains($0) } }
    #expect(isLogged, "the log says: \(daemon.process.error)", sourceLocation: sourceLocation)
  }

  /// By itself; and blocks are on disk then.
  private func expectBack(_ daemon: Daemon, sourceLocation: SourceLocation = #_sourceLocation) throws {
    let isBack = try eventually(seconds: 20) { try health(daemon) == "ok" }
    let said = try health(daemon)
    #expect(isBack, "status says: \(said)", sourceLocation: sourceLocation)
    try expectSameBits(daemon, sourceLocation: sourceLocation)
    let hasBlocks = try eventually(seconds: 20) { (try daemon.status().spill?.records ?? 0) > 0 }
    #expect(hasBlocks, sourceLocation: sourceLocation)
    #expect(try metric("tierd_spill_healthy", daemon) == "1", sourceLocation: sourceLocation)
  }

  private func metric(_ name: String, _ daemon: Daemon) throws -> String? {
    let text = try daemon.metrics()
    return text.split(separator: "\n").first { $0.hasPrefix(name + " ") }.map { String($0.dropFirst(name.count + 1)) }
  }

  @Test(
    "A full disk: memory serves, and writing resumes when there is space",
    .enabled(if: MountedDisk.isPermitted, needsMounts))
  func fullDisk() throws {
    try makeDirectory()
    let disk = try #require(MountedDisk(at: directory, bytes: 10 << 20))
    let daemon = try Daemon("daemon", Self.budgets, in: home)
    try expectSameBits(daemon)
    try expectTold(daemon, "no space left")
    #expect(disk.remount(bytes: 128 << 20))
    try expectBack(daemon)
    try daemon.stop()
  }

  @Test(
    "A read-only directory: no spill, until it can be written to", .enabled(if: MountedDisk.isPermitted, needsMounts))
  func readOnlyDirectory() throws {
    try makeDirectory()
    let disk = try #require(MountedDisk(at: directory, bytes: 128 << 20, readOnly: true))
    let daemon = try Daemon("daemon", Self.budgets, in: home)
    try expectTold(daemon, "Read-only file system")
    try expectSameBits(daemon)
    #expect(disk.remount(bytes: 128 << 20))
    try expectBack(daemon)
    try daemon.stop()
  }

  @Test("A directory that vanishes and comes back") func vanishedDirectory() throws {
    let daemon = try Daemon("daemon", Self.budgets, in: home)
    try expectSameBits(daemon)
    #expect(rename(directory, directory + "-away") == 0)
    try expectTold(daemon, "is gone")
    try expectSameBits(daemon)
    #expect(rename(directory + "-away", directory) == 0)
    try expectBack(daemon)
    try daemon.stop()
  }

  @Test("A cap smaller than two segments is refused; one that others' files make so is waited for")
  func capTooSmall() throws {
    let refused = try Daemon.start("other", ["--disk-budget", "4MiB"], in: home).wait(seconds: 10)
    expectRefusal(refused, 78, naming: "--disk-budget", "4 MiB", "at least")
    try makeDirectory()
    let foreign = try home.write("daemon/state/spill/foreign", Data(count: 10 << 20))
    var budgets = Self.budgets
    budgets.disk = "16MiB"
    let daemon = try Daemon("daemon", budgets, in: home)
    try expectTold(daemon, "16 MiB is too small", "18 MiB")
    try expectSameBits(daemon)
    #expect(unlink(foreign) == 0)
    try expectBack(daemon)
    try daemon.stop()
  }

  @Test("Files truncated, and replaced by others, under the daemon", arguments: [true, false])
  func changedFiles(truncating: Bool) throws {
    let daemon = try Daemon("daemon", .init(device: "4MiB", host: "4MiB", disk: "64MiB", link: "64MiB/s"), in: home)
    let worker = try run.start(.daemon(daemon), in: home)
    // Once, when there are two: one that is lost faster than it is computed is given up.
    let segments = eventually(seconds: 30) { () -> [String]? in
      let names = self.segments
      return names.count >= 2 || !worker.isRunning ? names : nil
    }
    let first = try #require(segments?.first)
    let second = try #require(segments?.dropFirst().first)
    if truncating { #expect(truncate(first, 1 << 20) == 0) } else { try copy(second, over: first) }
    let result = try Evaluation(worker)
    #expect(result.isIdentical(to: run.result))
    #expect(daemon.process.isRunning)
    try expectSameBits(daemon)
    try daemon.stop()
  }

  private var segments: [String] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
    return names.filter { $0.hasSuffix(".segment") }.sorted().map { directory + "/" + $0 }
  }

  /// The same file with another's bytes.
  private func copy(_ source: String, over target: String) throws {
    let bytes = try #require(FileManager.default.contents(atPath: source))
    let file = open(target, O_WRONLY | O_CLOEXEC)
    defer { close(file) }
    #expect(bytes.withUnsafeBytes { pwrite(file, $0.baseAddress, $0.count, 0) } == bytes.count)
  }

  @Test("tierctl verify reads every block, and drops what is damaged") func verification() throws {
    let daemon = try Daemon("daemon", Self.budgets, in: home)
    try expectSameBits(daemon)
    let hasBlocks = try eventually(seconds: 20) { (try daemon.status().spill?.records ?? 0) >= 60 }
    #expect(hasBlocks)
    let sound = try daemon.verify()
    #expect(sound.code == 0 && sound.reply.damagedRecords == 0)
    #expect(sound.reply.verifiedRecords == sound.reply.records && sound.reply.records >= 60)
    let file = open(try #require(segments.first), O_RDWR | O_CLOEXEC)
    var byte: UInt8 = 0
    #expect(pread(file, &byte, 1, 1000) == 1)
    byte ^= 4
    #expect(pwrite(file, &byte, 1, 1000) == 1)
    close(file)
    let damaged = try daemon.verify()
    #expect(damaged.code == 74 && damaged.reply.damagedRecords == 1 && damaged.reply.damage.count == 1)
    #expect(try daemon.verify().reply.damagedRecords == 0)
    try expectSameBits(daemon)
    try daemon.stop()
  }

  @Test("tier-worker run --dump-kv leaves each block of each layer") func dump() throws {
    struct Layout: Decodable {
      let elementType: String
      let kvHeads, headDim, blockTokens, layers, blocks: Int
    }
    let target = home.path + "/kv"
    let outcome = try Worker.run(
      RealModel.path(), prompt: String(repeating: "A block of keys and values. ", count: 100), .embedded([]),
      ["--max-new-tokens", "0", "--dump-kv", target], in: home
    ).wait(seconds: Worker.seconds)
    #expect(outcome.ending == .exited(0), "\(outcome.error)")
    let json = try #require(FileManager.default.contents(atPath: target + "/layout.json"))
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    let layout = try decoder.decode(Layout.self, from: json)
    #expect(layout.elementType == "bf16" && layout.layers == 30 && layout.blocks >= 2 && layout.blockTokens == 256)
    let bytes = 2 * layout.kvHeads * layout.headDim * layout.blockTokens * 2
    let files = try FileManager.default.contentsOfDirectory(atPath: target).filter { $0.hasSuffix(".kv") }
    #expect(files.count == layout.layers * layout.blocks)
    var contents = Set<Data>()
    for name in files { contents.insert(try #require(FileManager.default.contents(atPath: target + "/" + name))) }
    #expect(contents.allSatisfy { $0.count == bytes })
    #expect(contents.count == files.count)
  }
}
