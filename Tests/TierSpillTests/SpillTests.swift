import Glibc
import Testing
import TierCore
import TierSpill
import TierTesting

/// The spill on the real file system.
struct SpillTests {
  private let capBytes = 1 << 20

  @Test(arguments: [true, false])
  func readsBackWhatItWrote(direct: Bool) throws {
    try withTemporaryDirectory { directory in
      var options = SpillOptions.small()
      options.directIO = direct
      let spill = try Spill.open(directory: directory, capBytes: capBytes, options: options)
      let blocks = (0..<12).map { TestBlock($0) }
      #expect(spill.write(blocks).areDurable)
      for block in blocks { #expect(spill.holds(block)) }
      #expect(spill.read(TestBlock(99)).outcome == .missing)
      #expect(!direct || spill.statistics().directIO)
    }
  }

  @Test func findsEverythingAgain() throws {
    try withTemporaryDirectory { directory in
      let blocks = (0..<30).map { TestBlock($0) }
      let first = try Spill.open(directory: directory, capBytes: capBytes, options: .small())
      #expect(first.write(blocks).areDurable)
      let before = Set(first.inventory())
      first.close()
      let second = try Spill.open(directory: directory, capBytes: capBytes, options: .small())
      #expect(Set(second.inventory()) == before)
      #expect(second.recovery.records == 30)
      #expect(second.recovery.tornTails == 0 && second.recovery.damagedRegions == 0)
      for block in blocks { #expect(second.holds(block)) }
    }
  }

  @Test func filesAreClosedToOthers() throws {
    try withTemporaryDirectory { directory in
      let spill = try Spill.open(directory: directory + "/spill", capBytes: capBytes, options: .small())
      defer {
        spill.close()
        for name in spillFiles(directory + "/spill") { unlink(directory + "/spill/" + name) }
        rmdir(directory + "/spill")
      }
      _ = spill.write([TestBlock(1)])
      var status = stat()
      #expect(stat(directory + "/spill", &status) == 0 && status.st_mode & 0o777 == 0o700)
      for name in spillFiles(directory + "/spill") {
        #expect(stat(directory + "/spill/" + name, &status) == 0 && status.st_mode & 0o777 == 0o600)
      }
    }
  }

  @Test func keepsASecondDaemonOut() throws {
    try withTemporaryDirectory { directory in
      let first = try Spill.open(directory: directory, capBytes: capBytes, options: .small())
      #expect(throws: SpillError.locked(directory: directory)) {
        try Spill.open(directory: directory, capBytes: capBytes, options: .small())
      }
      first.close()
      _ = try Spill.open(directory: directory, capBytes: capBytes, options: .small())
    }
  }

  @Test func refusesACapSmallerThanTwoSegments() throws {
    try withTemporaryDirectory { directory in
      #expect(throws: SpillError.capTooSmall(capBytes: 8 << 20 - 1, smallestBytes: 8 << 20)) {
        try Spill.open(directory: directory, capBytes: 8 << 20 - 1)
      }
      _ = try Spill.open(directory: directory, capBytes: 8 << 20)
    }
  }

  @Test func followsNoSymbolicLink() throws {
    try withTemporaryDirectory { directory in
      #expect(symlink("/etc", directory + "/link") == 0)
      #expect(throws: SpillError.self) {
        try Spill.open(directory: directory + "/link", capBytes: capBytes, options: .small())
      }
      unlink(directory + "/link")
      #expect(symlink("/etc/passwd", directory + "/" + SegmentName.of(1)) == 0)
      let spill = try Spill.open(directory: directory, capBytes: capBytes, options: .small())
      #expect(spill.recovery.setAside.map(\.reason) == [.unreadable])
      unlink(directory + "/" + SegmentName.of(1))
    }
  }

  @Test func writersAndReadersMeet() throws {
    try withTemporaryDirectory { directory in
      let spill = try Spill.open(directory: directory, capBytes: 1 << 20, options: .small())
      let wrong = SharedCount()
      let threads = (0..<4).map { worker in
        Thread {
          var random = SeededRandom(seed: UInt64(worker))
          for _ in 0..<150 {
            let blocks = (0..<4).map { _ in TestBlock(random.next(below: 200)) }
            _ = spill.write(blocks)
            for block in blocks {
              let (outcome, bytes) = spill.read(block)
              if case .ok = outcome, bytes != block.bytes { wrong.add() }
              if case .corrupt = outcome { wrong.add() }
            }
            spill.forget((0..<4).map { _ in TestBlock(random.next(below: 200)).key })
          }
        }
      }
      for thread in threads { thread.join() }
      #expect(wrong.value == 0)
      let statistics = spill.statistics()
      #expect(statistics.fileBytes <= 1 << 20)
      #expect(statistics.health == .healthy)
    }
  }
}

private func spillFiles(_ directory: String) -> [String] {
  guard let stream = opendir(directory) else { return [] }
  defer { closedir(stream) }
  var names: [String] = []
  while let entry = readdir(stream) {
    let name = withUnsafeBytes(of: &entry.pointee.d_name) {
      String(cString: $0.bindMemory(to: CChar.self).baseAddress!)
    }
    if !name.hasPrefix(".") { names.append(name) }
  }
  return names
}
