import Testing
import TierCore
import TierSpill

/// What recovery makes of damage, aimed at one place at a time.
struct RecoveryTests {
  private let capBytes = 1 << 20

  /// One segment with blocks 0..<count, each batch durable on its own; and the disk it is on.
  private func prepared(_ count: Int, seed: UInt64 = 1) throws -> (SimulatedDisk, [TestBlock]) {
    let disk = SimulatedDisk(seed: seed)
    let spill = try Spill.open(disk: disk, capBytes: capBytes, options: .small(segmentBytes: 131072))
    let blocks = (0..<count).map { TestBlock($0) }
    for block in blocks { #expect(spill.write([block])[0].isDurable) }
    spill.close()
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
    let (disk, blocks) = try prepared(9)
    let offsets = records(disk)
    #expect(offsets.count == 9)
    disk.flip(file: SegmentName.of(1), byte: offsets[4] + byte, bit: 3)
    let spill = try reopened(disk)
    #expect(spill.recovery.damagedRegions == 1)
    #expect(spill.recovery.tornTails == 0)
    for (i, block) in blocks.enumerated() { #expect(spill.holds(block) == (i != 4), "block \(i)") }
  }

  @Test func aTornTailIsToldFromDamage() throws {
    let (disk, blocks) = try prepared(9)
    disk.flip(file: SegmentName.of(1), byte: records(disk)[8] + 200)
    let spill = try reopened(disk)
    #expect(spill.recovery.tornTails == 1)
    #expect(spill.recovery.damagedRegions == 0)
    #expect(spill.recovery.records == 8)
    for block in blocks.dropLast() { #expect(spill.holds(block)) }
  }

  @Test func aDamagedSegmentHeaderLosesNothing() throws {
    let (disk, blocks) = try prepared(9)
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
