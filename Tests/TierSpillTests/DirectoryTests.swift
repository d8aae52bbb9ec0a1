import Glibc
import Synchronization
import Testing
import TierSpill
import TierTesting

/// The directory goes, or its files change, under a running spill: nothing wrong is served, and it comes back by itself.
struct DirectoryTests {
  private func opened(_ directory: String) throws -> Spill {
    var options = SpillOptions()
    options.segmentBytes = 65536
    let spill = try Spill.open(directory: directory, capBytes: 2 << 20, options: options)
    spill.start()
    return spill
  }

  /// Polls for up to ten seconds.
  private func eventually(_ what: () -> Bool) -> Bool {
    for _ in 0..<1000 {
      if what() { return true }
      usleep(10_000)
    }
    return what()
  }

  @Test func aDirectoryMovedAwayAndBackComesBackByItself() throws {
    try withTemporaryDirectory { place in
      let (directory, away) = (place + "/spill", place + "/away")
      let spill = try opened(directory)
      let blocks = (0..<6).map { TestBlock($0) }
      #expect(spill.write(blocks).areDurable)
      rename(directory, away)
      #expect(eventually { spill.health == .degraded(.directoryGone(directory: directory)) })
      #expect(spill.write([TestBlock(50)]) == [.failed(.directoryGone(directory: directory))])
      // What is open is read on.
      for block in blocks { #expect(spill.holds(block)) }
      rename(away, directory)
      #expect(eventually { spill.write([TestBlock(51)])[0].isDurable })
      #expect(eventually { spill.health == .healthy })
      spill.close()
      let again = try opened(directory)
      for block in blocks + [TestBlock(51)] { #expect(again.holds(block)) }
      again.close()
      removeFiles(directory)
    }
  }

  @Test func aWriteUnderWayIsNoSignThatTheDirectoryIsBack() throws {
    try withTemporaryDirectory { place in
      let (directory, away) = (place + "/spill", place + "/away")
      let spill = try opened(directory)
      let isDone = Atomic(false)
      let writer = Thread {
        var key = 0
        while !isDone.load(ordering: .relaxed) {
          key += 1
          _ = spill.write([TestBlock(key % 8, version: key)])
        }
      }
      usleep(50_000)
      rename(directory, away)
      let gone = SpillStatistics.Health.degraded(.directoryGone(directory: directory))
      #expect(eventually { spill.health == gone })
      var stays = true
      for _ in 0..<200 where stays {
        stays = spill.health == gone
        usleep(1000)
      }
      #expect(stays, "what was under way when the directory went must not make the spill healthy")
      isDone.store(true, ordering: .relaxed)
      writer.join()
      spill.close()
      rename(away, directory)
      removeFiles(directory)
    }
  }

  @Test func aReplacedDirectoryIsBegunAnewAndItsLossesTold() throws {
    try withTemporaryDirectory { place in
      let directory = place + "/spill"
      var options = SpillOptions()
      options.segmentBytes = 65536
      let spill = try Spill.open(directory: directory, capBytes: 2 << 20, options: options)
      let lost = Mutex(0)
      spill.start { event in if case .lost(let keys) = event { lost.withLock { $0 += keys.count } } }
      #expect(spill.write((0..<6).map { TestBlock($0) }).areDurable)
      rename(directory, place + "/away")
      mkdir(directory, 0o700)
      #expect(eventually { lost.withLock { $0 } == 6 })
      #expect(eventually { spill.write([TestBlock(9)])[0].isDurable })
      #expect(!spill.contains(TestBlock(1).key) && spill.holds(TestBlock(9)))
      spill.close()
      let again = try opened(directory)
      #expect(again.holds(TestBlock(9)) && again.recovery.records == 1)
      again.close()
      removeFiles(directory)
      removeFiles(place + "/away")
    }
  }

  /// A file without a name keeps nothing: a write that finds its segment so is no durable one, and what was there before is
  /// moved while it can be read.
  @Test func removedFilesAreNoticedAtTheNextWrite() throws {
    try withTemporaryDirectory { directory in
      let spill = try opened(directory)
      let blocks = (0..<6).map { TestBlock($0) }
      #expect(spill.write(blocks).areDurable)
      unlink(directory + "/" + SegmentName.of(1))
      #expect(spill.write([TestBlock(20)]) == [.failed(.directoryGone(directory: directory))])
      #expect(eventually { spill.write([TestBlock(21)])[0].isDurable })
      #expect(eventually { spill.statistics().counts.movedRecords == 6 })
      spill.close()
      let again = try opened(directory)
      for block in blocks + [TestBlock(21)] { #expect(again.holds(block)) }
      again.close()
    }
  }

  /// A system call on the directory that does not come back cannot be given up: it is told, and reads go on meanwhile.
  @Test func aHangingDirectoryIsToldAndReadsGoOn() throws {
    let disk = SimulatedDisk(seed: 1)
    var options = SpillOptions()
    options.segmentBytes = 65536
    options.deadlineMs = 50
    options.waitMs = 50
    let spill = try Spill.open(disk: disk, capBytes: 2 << 20, options: options)
    spill.start()
    #expect(eventually { spill.write([TestBlock(1)])[0].isDurable })
    #expect(eventually { spill.isKeeperIdle })
    let isHanging = Atomic<Bool>(true)
    disk.onCreate = { while isHanging.load(ordering: .acquiring) { usleep(1000) } }
    var next = 2
    // Until the segments that were there are full, and the next one is asked for.
    while spill.write([TestBlock(next)])[0].isDurable { next += 1 }
    #expect(
      eventually {
        spill.health
          == .degraded(.timedOut(operation: "work on the files", file: "simulated", afterMs: 100))
      })
    #expect(spill.holds(TestBlock(1)))
    isHanging.store(false, ordering: .releasing)
    #expect(eventually { spill.health == .healthy && spill.write([TestBlock(next)])[0].isDurable })
    spill.close()
  }

  @Test func truncatedFilesAreMisses() throws {
    try withTemporaryDirectory { directory in
      let spill = try opened(directory)
      let blocks = (0..<30).map { TestBlock($0) }
      #expect(spill.write(blocks).areDurable)
      for number in UInt64(1)...2 { truncate(directory + "/" + SegmentName.of(number), 1024) }
      for block in blocks {
        let (outcome, bytes) = spill.read(block)
        if case .ok = outcome { #expect(bytes == block.bytes) }
      }
      #expect(spill.statistics().counts.corruptReads > 0)
      #expect(eventually { spill.write(blocks).areDurable })
      spill.close()
      let again = try opened(directory)
      for block in blocks { #expect(again.holds(block)) }
      again.close()
    }
  }

  @Test func aVerificationFindsWhatIsDamagedAndTellsItsOwner() throws {
    try withTemporaryDirectory { directory in
      var options = SpillOptions()
      options.segmentBytes = 65536
      let spill = try Spill.open(directory: directory, capBytes: 2 << 20, options: options)
      let lost = Mutex(0)
      spill.start { event in if case .lost(let keys) = event { lost.withLock { $0 += keys.count } } }
      let blocks = (0..<40).map { TestBlock($0) }
      #expect(spill.write(blocks).areDurable)
      #expect(spill.verify(bytesPerSecond: nil) { _ in true }.verifiedRecords == 40)
      let fd = open(directory + "/" + SegmentName.of(1), O_RDWR)
      var byte: UInt8 = 0
      pread(fd, &byte, 1, 512 + 200)
      byte ^= 16
      pwrite(fd, &byte, 1, 512 + 200)
      close(fd)
      let found = spill.verify(bytesPerSecond: nil) { _ in true }
      #expect(found.damagedRecords == 1 && found.damage.count == 1 && found.verifiedRecords == 39)
      #expect(eventually { lost.withLock { $0 } == 1 })
      #expect(blocks.count { spill.holds($0) } == 39)
      // At a rate it takes as long as that.
      let bytes = spill.statistics().liveBytes
      let slow = spill.verify(bytesPerSecond: bytes * 4) { _ in true }
      #expect(slow.elapsedMs < 2000 && slow.verifiedRecords == 39)
      spill.close()
    }
  }

  private func removeFiles(_ directory: String) {
    guard let stream = opendir(directory) else { return }
    while let entry = readdir(stream) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) {
        String(cString: $0.bindMemory(to: CChar.self).baseAddress!)
      }
      if name != "." && name != ".." { unlink(directory + "/" + name) }
    }
    closedir(stream)
    rmdir(directory)
  }
}
