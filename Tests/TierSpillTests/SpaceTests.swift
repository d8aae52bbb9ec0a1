import Testing
import TierCore
import TierSpill
import TierTesting

/// The cap, duplicates and reclaim.
struct SpaceTests {
  private let segmentBytes = 32768
  /// 4 KiB that do not compress.
  private let layout = BlockLayout(element: .opaque, kvHeads: 1, headDim: 64, blockTokens: 32)!

  private func block(_ number: Int) -> TestBlock { TestBlock(number, layout: layout) }

  private func opened(_ disk: SimulatedDisk, segments: Int) throws -> (Spill, capBytes: Int) {
    let capBytes = segments * segmentBytes + 65536
    return (try Spill.open(disk: disk, capBytes: capBytes, options: .small(segmentBytes: segmentBytes)), capBytes)
  }

  /// Writes blocks until the spill is full; answers how many.
  private func fill(_ spill: Spill) -> Int {
    var count = 0
    while spill.write([block(count)])[0].isDurable { count += 1 }
    return count
  }

  @Test func aFullSpillSaysSoAndStaysUnderItsCap() throws {
    let disk = SimulatedDisk(seed: 1)
    let (spill, capBytes) = try opened(disk, segments: 6)
    let count = fill(spill)
    #expect(count > 20)
    #expect(spill.write([block(count)]) == [.full])
    #expect(disk.peakBytes <= capBytes)
    for i in 0..<count { #expect(spill.holds(block(i))) }
  }

  @Test func forgottenSpaceIsFoundAgain() throws {
    let disk = SimulatedDisk(seed: 1)
    let (spill, capBytes) = try opened(disk, segments: 6)
    let count = fill(spill)
    // Every second block: no segment is empty, so live records have to move.
    spill.forget((0..<count).filter { $0 % 2 == 0 }.map { block($0).key })
    for i in 1000..<1000 + count / 3 { #expect(spill.write([block(i)])[0].isDurable, "block \(i)") }
    for i in (0..<count).filter({ $0 % 2 == 1 }) { #expect(spill.holds(block(i))) }
    for i in 1000..<1000 + count / 3 { #expect(spill.holds(block(i))) }
    let statistics = spill.statistics()
    #expect(statistics.counts.reclaimedSegments > 0)
    #expect(statistics.counts.movedRecords > 0)
    #expect(disk.peakBytes <= capBytes)
  }

  @Test func aDuplicateTakesNoSpace() throws {
    let (spill, _) = try opened(SimulatedDisk(seed: 1), segments: 6)
    let first = spill.write([block(1)])
    let before = spill.statistics()
    #expect(spill.write([block(1), block(1)]) == [first[0], first[0]])
    #expect(spill.write([block(2), block(2)]).areDurable)
    let after = spill.statistics()
    #expect(after.counts.duplicateWrites == 2)
    #expect(after.liveBytes == 2 * before.liveBytes && after.deadBytes == 0)
  }

  @Test func aLoweredCapIsReachedOnceEnoughIsForgotten() throws {
    let disk = SimulatedDisk(seed: 1)
    let (spill, capBytes) = try opened(disk, segments: 10)
    let count = fill(spill)
    let lower = capBytes / 2
    try spill.setCap(lower)
    #expect(spill.statistics().overCapBytes > 0)
    #expect(spill.write([block(5000)]) == [.full])
    spill.forget((0..<count).filter { $0 % 4 != 0 }.map { block($0).key })
    try spill.reclaim()
    #expect(spill.statistics().overCapBytes == 0)
    #expect(spill.write([block(5000)])[0].isDurable)
    for i in stride(from: 0, to: count, by: 4) { #expect(spill.holds(block(i))) }
    #expect(disk.peakBytes <= capBytes)
  }

  @Test func aLowerCapAtOpenDropsWholeSegments() throws {
    let disk = SimulatedDisk(seed: 1)
    let (spill, _) = try opened(disk, segments: 10)
    let count = fill(spill)
    spill.close()
    let (smaller, capBytes) = try opened(disk, segments: 4)
    #expect(smaller.recovery.droppedRecords > 0)
    #expect(smaller.recovery.records + smaller.recovery.droppedRecords == count)
    #expect(smaller.statistics().fileBytes <= capBytes)
  }

  @Test func aFailedSyncCondemnsTheSegment() throws {
    let disk = SimulatedDisk(seed: 1)
    let (spill, _) = try opened(disk, segments: 6)
    #expect(spill.write([block(1)])[0].isDurable)
    disk.faults.syncError = 1000
    guard case .failed(.io(operation: "sync", _, _)) = spill.write([block(2)])[0] else {
      Issue.record("a failed sync was not reported")
      return
    }
    disk.faults = .none
    #expect(spill.statistics().counts.condemnedSegments == 1)
    #expect(!spill.contains(block(2).key))
    #expect(spill.holds(block(1)))
    #expect(spill.write([block(2)])[0].isDurable)
    #expect(spill.statistics().segments == 2)
    #expect(spill.statistics().health == .healthy)
  }

  @Test func wrongLengthsAndChecksumsAreRefused() throws {
    let (spill, _) = try opened(SimulatedDisk(seed: 1), segments: 6)
    let good = block(1)
    good.bytes.withUnsafeBytes { bytes in
      let short = BlockWrite(
        key: good.key, layout: good.layout, checksum: good.checksum,
        bytes: UnsafeRawBufferPointer(rebasing: bytes.dropLast()))
      let damaged = BlockWrite(key: good.key, layout: good.layout, checksum: good.checksum ^ 1, bytes: bytes)
      #expect(
        spill.write(batch: [short]) == [.failed(.wrongLength(bytes: bytes.count - 1, expectedBytes: bytes.count))])
      #expect(spill.write(batch: [damaged]) == [.failed(.checksumMismatch)])
    }
    #expect(!spill.contains(good.key))
    let large = TestBlock(2, layout: BlockLayout(element: .opaque, kvHeads: 1, headDim: 512, blockTokens: 64))
    guard case .failed(.blockTooLarge) = spill.write([large])[0] else {
      Issue.record("a block larger than a segment was taken")
      return
    }
  }
}
