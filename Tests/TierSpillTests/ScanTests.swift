import Testing
import TierCore
import TierSpill
import TierTesting

/// Scans that read ahead, and writes that end at whole blocks of the file system.
struct ScanTests {
  private let options = SpillOptions.small(segmentBytes: 16 << 20)
  private let capBytes = 64 << 20
  /// 256 KiB, and one larger than what a scan carries from piece to piece.
  private let layout = BlockLayout(element: .opaque, kvHeads: 1, headDim: 512, blockTokens: 256)!
  private let large = BlockLayout(element: .opaque, kvHeads: 10, headDim: 512, blockTokens: 256)!

  private func block(_ number: Int) -> TestBlock { TestBlock(number, layout: number == 7 ? large : layout) }

  /// A segment of many pieces that was never sealed.
  private func prepared(_ count: Int) throws -> SimulatedDisk {
    let disk = SimulatedDisk(seed: 1)
    let spill = try Spill.open(disk: disk, capBytes: capBytes, options: options)
    for number in 0..<count { #expect(spill.write([block(number)])[0].isDurable) }
    spill.abandon()
    return disk
  }

  @Test func recordsAcrossPiecesAndLargerThanOneAreFound() throws {
    let disk = try prepared(20)
    let spill = try Spill.open(disk: disk, capBytes: capBytes, options: options)
    #expect(spill.recovery.records == 20 && spill.recovery.damagedRegions == 0 && spill.recovery.tornTails == 0)
    for number in 0..<20 { #expect(spill.holds(block(number)), "block \(number)") }
  }

  @Test func aBadSectorCostsItsRecordAlone() throws {
    let disk = try prepared(20)
    // In the body of the sixth record: the pieces around it are read again, record by record.
    disk.unreadable = (SegmentName.of(1), 5 * (257 << 10)..<5 * (257 << 10) + 512)
    let spill = try Spill.open(disk: disk, capBytes: capBytes, options: options)
    #expect(spill.recovery.readErrors == 1 && spill.recovery.records == 19)
    for number in 0..<20 { #expect(spill.holds(block(number)) == (number != 5), "block \(number)") }
  }

  @Test func writesEndAtWholeBlocksUnlessThatCostsTooMuch() throws {
    let disk = SimulatedDisk(seed: 1, blockBytes: 4096)
    let spill = try Spill.open(disk: disk, capBytes: capBytes, options: options)
    // The segment's first unit is its header: the first write begins after it, and ends at a block all the same.
    #expect(spill.write([block(1)]) == [.durable(storedBytes: (256 << 10) + 4096 - 512)])
    #expect(spill.write([block(2)]) == [.durable(storedBytes: (256 << 10) + 4096)])
    #expect(spill.write([TestBlock(3)])[0].isDurable)
    #expect(spill.statistics().liveBytes % 4096 != 4096 - 512)
    spill.abandon()
    let again = try Spill.open(disk: disk, capBytes: capBytes, options: options)
    for block in [block(1), block(2), TestBlock(3)] { #expect(again.holds(block)) }
    #expect(again.recovery.damagedRegions == 0 && again.recovery.holes == 0)
  }

  /// Offsets and addresses, as the kernel says what it needs of them.
  @Test func theUnitOfDirectIOIsWhatTheKernelSays() {
    #expect(DirectIO.unit((offset: 512, memory: 4)) == 512)
    #expect(DirectIO.unit((offset: 512, memory: 4096)) == 4096)
    #expect(DirectIO.unit((offset: 4096, memory: 512)) == 4096)
    #expect(DirectIO.unit((offset: 0, memory: 0)) == nil)
    #expect(DirectIO.unit((offset: 1 << 20, memory: 512)) == nil)
    #expect(DirectIO.unit((offset: 1536, memory: 512)) == nil)
    // It does not say: a page, which every one takes.
    #expect(DirectIO.unit(nil) == 4096)
  }
}
