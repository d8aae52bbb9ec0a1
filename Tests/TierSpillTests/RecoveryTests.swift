import Testing
import TierCore
import TierSpill
import TierTesting

/// What recovery makes of damage, aimed at one place at a time.
struct RecoveryTests {
  private let capBytes = 1 << 20

  /// One segment with blocks 0..<count, each batch durable on its own; and the disk it is on.
  private func prepared(_ count: Int, seed: UInt64 = 1, sealed: Bool = true) throws -> (SimulatedDisk, [TestBlock]) {
    let disk = SimulatedDisk(seed: seed)
    let spill = try Spill.open(disk: disk, capBytes: capBytes, options: .small(segmentBytes: 131072))
    let blocks = (0..<count).map { TestBlock($0) }
    for block in blocks { #expect(spill.write([block])[0].isDurable) }
    if sealed { spill.close() } else { spill.abandon() }
    return (disk, blocks)
  }

  private func reopened(_ disk: SimulatedDisk) throws -> Spill {
    try Spill.open(disk: disk, capBytes: capBytes, options: .small(segmentBytes: 131072))
  }

  /// Offsets of the records in the first segment, in order.
  private func records(_ disk: SimulatedDisk) -> [Int] {
    let bytes = disk.contents(of: SegmentName.of(1))!
    return stride(from: 512, to: bytes.count, by: 512).filter { Array(bytes[$0..<$0 + 8]) == Array("TSPLREC1".utf8) }
  }

  @Test(arguments: [0, 13, 40, 90, 120, 130, 140, 159, 170, 400])
  func aFlippedBitCostsItsRecordAlone(byte: Int) throws {
    let (disk, blocks) = try prepared(9, sealed: false)
    let offsets = records(disk)
    #expect(offsets.count == 9)
    disk.flip(file: SegmentName.of(1), byte: offsets[4] + byte, bit: 3)
    let spill = try reopened(disk)
    #expect(spill.recovery.damagedRegions == 1)
    #expect(spill.recovery.tornTails == 0)
    for (i, block) in blocks.enumerated() { #expect(spill.holds(block) == (i != 4), "block \(i)") }
  }

  @Test(arguments: [0, 40, 159, 170, 400])
  func aFlippedBitInASealedSegmentIsAMiss(byte: Int) throws {
    let (disk, blocks) = try prepared(9)
    disk.flip(file: SegmentName.of(1), byte: records(disk)[4] + byte, bit: 3)
    let spill = try reopened(disk)
    #expect(spill.recovery.scannedBytes == 0)
    for (i, block) in blocks.enumerated() { #expect(spill.holds(block) == (i != 4), "block \(i)") }
    #expect(!spill.contains(blocks[4].key))
  }

  @Test func sealedSegmentsAreNotScanned() throws {
    let (disk, blocks) = try prepared(9)
    let spill = try reopened(disk)
    #expect(spill.recovery.scannedBytes == 0 && spill.recovery.records == 9)
    for block in blocks { #expect(spill.holds(block)) }
    spill.close()
    // One that was open is sealed by its recovery: the next start does not scan it either.
    let (open, _) = try prepared(9, sealed: false)
    let first = try reopened(open)
    #expect(first.recovery.scannedBytes > 0 && first.recovery.records == 9)
    first.abandon()
    let second = try reopened(open)
    #expect(second.recovery.scannedBytes == 0 && second.recovery.records == 9)
  }

  /// Any byte of the footer: the segment is scanned instead, and nothing is lost.
  @Test(arguments: 0..<40)
  func aDamagedFooterCostsAScan(part: Int) throws {
    let (disk, blocks) = try prepared(9)
    let size = disk.contents(of: SegmentName.of(1))!.count
    let footer = SegmentFooter.fileBytes(entries: 9, alignBytes: 512)
    // The table's and the trailer's bytes; what lies between is padding.
    let offset = part < 20 ? size - footer + part * 36 : size - SegmentFooter.trailerBytes + (part - 20) * 3
    disk.flip(file: SegmentName.of(1), byte: offset, bit: UInt8(part % 8))
    let spill = try reopened(disk)
    #expect(spill.recovery.damagedFooters == 1)
    #expect(spill.recovery.records == 9 && spill.recovery.damagedRegions == 0)
    for block in blocks { #expect(spill.holds(block)) }
    spill.close()
    #expect(try reopened(disk).recovery.damagedFooters == 0)
  }

  /// A footer of another segment, whole and valid, does not describe this one.
  @Test func aMisplacedFooterIsNotBelieved() throws {
    let (disk, blocks) = try prepared(9)
    let (other, _) = try prepared(9, seed: 5)
    let (mine, theirs) = (disk.contents(of: SegmentName.of(1))!, other.contents(of: SegmentName.of(1))!)
    #expect(mine.count == theirs.count)
    let footer = SegmentFooter.fileBytes(entries: 9, alignBytes: 512)
    for i in mine.count - footer..<mine.count {
      for bit in UInt8(0)..<8 where (mine[i] ^ theirs[i]) >> bit & 1 == 1 {
        disk.flip(file: SegmentName.of(1), byte: i, bit: bit)
      }
    }
    let spill = try reopened(disk)
    #expect(spill.recovery.damagedFooters == 1)
    for block in blocks { #expect(spill.holds(block)) }
  }

  @Test func whatWasForgottenStaysSo() throws {
    let (disk, blocks) = try prepared(9)
    let first = try reopened(disk)
    first.forget([blocks[2].key, blocks[5].key])
    first.abandon()
    disk.crash()
    let second = try reopened(disk)
    #expect(second.recovery.forgottenRecords == 2)
    for (i, block) in blocks.enumerated() { #expect(second.holds(block) == (i != 2 && i != 5), "block \(i)") }
    // Written anew it is back, and stays.
    #expect(second.write([blocks[2]])[0].isDurable)
    second.abandon()
    let third = try reopened(disk)
    #expect(third.holds(blocks[2]) && !third.holds(blocks[5]))
  }

  @Test func aTornTailIsToldFromDamage() throws {
    let (disk, blocks) = try prepared(9, sealed: false)
    disk.flip(file: SegmentName.of(1), byte: records(disk)[8] + 200)
    let spill = try reopened(disk)
    #expect(spill.recovery.tornTails == 1)
    #expect(spill.recovery.damagedRegions == 0)
    #expect(spill.recovery.records == 8)
    for block in blocks.dropLast() { #expect(spill.holds(block)) }
  }

  /// A batch that came later is durable while an earlier one is still being written.
  @Test func aHoleIsToldApartAndTheRecordsBehindItAreServed() throws {
    let disk = SimulatedDisk(seed: 1)
    let spill = try Spill.open(disk: disk, capBytes: capBytes, options: .small(segmentBytes: 131072))
    #expect(spill.write([TestBlock(0)])[0].isDurable)
    var after: SimulatedDisk?
    disk.faults.slow = 1000
    disk.interlude = {
      disk.faults = .none
      #expect(spill.write([TestBlock(1)])[0].isDurable)
      after = disk.crashed(seed: 1)
    }
    _ = spill.write([TestBlock(2)])
    let found = try reopened(#require(after))
    #expect(found.recovery.holes == 1)
    #expect(found.recovery.tornTails == 0 && found.recovery.damagedRegions == 0)
    #expect(found.holds(TestBlock(0)) && found.holds(TestBlock(1)))
    #expect(!found.contains(TestBlock(2).key))
  }

  @Test(arguments: [true, false])
  func aDamagedSegmentHeaderLosesNothing(sealed: Bool) throws {
    let (disk, blocks) = try prepared(9, sealed: sealed)
    disk.flip(file: SegmentName.of(1), byte: 20)
    let spill = try reopened(disk)
    #expect(spill.recovery.damagedSegmentHeaders == 1)
    for block in blocks { #expect(spill.holds(block)) }
  }

  @Test func aDamagedIdentityLosesNothing() throws {
    let (disk, blocks) = try prepared(9)
    disk.flip(file: StoreIdentity.fileName, byte: 20)
    let spill = try reopened(disk)
    for block in blocks { #expect(spill.holds(block)) }
  }

  @Test func foreignAndNewerFilesAreLeftAlone() throws {
    let (disk, blocks) = try prepared(3)
    let (other, _) = try prepared(5, seed: 2)
    disk.plant(SegmentName.of(77), other.contents(of: SegmentName.of(1))!)
    disk.plant(SegmentName.of(88), renumbered(other.contents(of: SegmentName.of(1))!, to: 88))
    disk.plant(SegmentName.of(99), newerVersion(disk.contents(of: SegmentName.of(1))!))
    disk.plant("notes.txt", [1, 2, 3])
    let planted = [77, 88, 99].map { SegmentName.of($0) } + ["notes.txt"]
    let before = planted.map { disk.contents(of: $0) }
    let spill = try reopened(disk)
    let reasons = Dictionary(uniqueKeysWithValues: spill.recovery.setAside.map { ($0.name, $0.reason) })
    #expect(reasons[SegmentName.of(77)] == .misnamed)
    #expect(reasons[SegmentName.of(88)] == .foreignStore)
    #expect(reasons[SegmentName.of(99)] == .newerFormat(version: 2))
    #expect(reasons["notes.txt"] == .unknownName)
    #expect(spill.recovery.records == 3)
    #expect(spill.statistics().foreignBytes == before.reduce(0) { $0 + $1!.count })
    for block in blocks { #expect(spill.holds(block)) }
    spill.close()
    #expect(planted.map { disk.contents(of: $0) } == before)
  }

  @Test func aFileReplacedUnderTheDaemonIsAMiss() throws {
    let disk = SimulatedDisk(seed: 3)
    let spill = try Spill.open(disk: disk, capBytes: capBytes, options: .small(segmentBytes: 131072))
    let (first, second) = (TestBlock(1), TestBlock(6))
    #expect(spill.write([first, second]).areDurable)
    let offsets = records(disk)
    let bytes = disk.contents(of: SegmentName.of(1))!
    // The second record, whole and valid, in the first one's place.
    for i in 0..<512 {
      for bit in UInt8(0)..<8 where (bytes[offsets[0] + i] ^ bytes[offsets[1] + i]) >> bit & 1 == 1 {
        disk.flip(file: SegmentName.of(1), byte: offsets[0] + i, bit: bit)
      }
    }
    guard case .corrupt = spill.read(first).outcome else {
      Issue.record("a misplaced record was served")
      return
    }
    #expect(!spill.contains(first.key))
    #expect(spill.write([first])[0].isDurable && spill.holds(first))
  }

  private func renumbered(_ segment: [UInt8], to number: UInt64) -> [UInt8] {
    rewritten(segment) { $0.storeBytes(of: number.littleEndian, toByteOffset: 32, as: UInt64.self) }
  }

  private func newerVersion(_ segment: [UInt8]) -> [UInt8] {
    rewritten(segment) { $0.storeBytes(of: UInt16(2).littleEndian, toByteOffset: 8, as: UInt16.self) }
  }

  /// With the header's checksum made right again.
  private func rewritten(_ segment: [UInt8], _ change: (UnsafeMutableRawBufferPointer) -> Void) -> [UInt8] {
    var segment = segment
    segment.withUnsafeMutableBytes { bytes in
      change(bytes)
      let checksum = Checksum.of(UnsafeRawBufferPointer(rebasing: bytes[..<56]))
      bytes.storeBytes(of: checksum.littleEndian, toByteOffset: 56, as: UInt64.self)
    }
    return segment
  }
}
