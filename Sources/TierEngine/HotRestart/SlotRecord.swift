import TierCore
import TierSpill

/// What a slot of memory holds, written beside it so that a later life of the daemon can tell. 128 bytes, little-endian:
///
///     0  generation u64      8  checksum of the payload u64     16  block id, 32 bytes
///    48  tenant u32         52  layer u16   54  element u8      55  0
///    56  heads u32          60  head dimension u32              64  tokens of the block u32
///    68  0, to 120         120  XXH3-64 of bytes 0 to 119; 0 where the slot holds nothing
///
/// The last word is written last and taken back first. What is found is believed only if it verifies, and the payload too.
struct SlotRecord: Equatable {
  static let sizeBytes = 128
  private static let checksumOffset = 120

  let generation: UInt64
  let block: FoundBlock

  func write(to base: UnsafeMutableRawPointer) {
    Self.clear(base)
    let bytes = UnsafeMutableRawBufferPointer(start: base, count: Self.sizeBytes)
    let (key, layout) = (block.key, block.layout)
    bytes.storeBytes(of: generation.littleEndian, toByteOffset: 0, as: UInt64.self)
    bytes.storeBytes(of: block.checksum.littleEndian, toByteOffset: 8, as: UInt64.self)
    for (i, byte) in key.id.bytes.enumerated() { bytes[16 + i] = byte }
    bytes.storeBytes(of: key.tenant.rawValue.littleEndian, toByteOffset: 48, as: UInt32.self)
    bytes.storeBytes(of: key.layer.littleEndian, toByteOffset: 52, as: UInt16.self)
    bytes[54] = layout.element.rawValue
    bytes[55] = 0
    for (i, number) in [layout.kvHeads, layout.headDim, layout.blockTokens].enumerated() {
      bytes.storeBytes(of: UInt32(number).littleEndian, toByteOffset: 56 + 4 * i, as: UInt32.self)
    }
    UnsafeMutableRawBufferPointer(rebasing: bytes[68..<Self.checksumOffset]).initializeMemory(
      as: UInt8.self, repeating: 0)
    let checksum = Self.checksum(UnsafeRawPointer(base))
    base.storeBytes(of: checksum.littleEndian, toByteOffset: Self.checksumOffset, as: UInt64.self)
  }

  static func clear(_ base: UnsafeMutableRawPointer) {
    base.storeBytes(of: 0, toByteOffset: checksumOffset, as: UInt64.self)
  }

  /// Nil where nothing is recorded, or what is does not verify.
  init?(_ base: UnsafeRawPointer) {
    let stored = UInt64(littleEndian: base.load(fromByteOffset: Self.checksumOffset, as: UInt64.self))
    guard stored != 0, stored == Self.checksum(base) else { return nil }
    let bytes = UnsafeRawBufferPointer(start: base, count: Self.sizeBytes)
    func number(_ offset: Int) -> Int { Int(UInt32(littleEndian: base.load(fromByteOffset: offset, as: UInt32.self))) }
    guard let id = BlockID(bytes: bytes[16..<48]), let element = ElementType(rawValue: bytes[54]),
      let layout = BlockLayout(element: element, kvHeads: number(56), headDim: number(60), blockTokens: number(64))
    else { return nil }
    generation = UInt64(littleEndian: base.load(fromByteOffset: 0, as: UInt64.self))
    let layer = UInt16(littleEndian: base.load(fromByteOffset: 52, as: UInt16.self))
    block = FoundBlock(
      key: BlockKey(tenant: TenantID(UInt32(number(48))), id: id, layer: layer), layout: layout,
      checksum: UInt64(littleEndian: base.load(fromByteOffset: 8, as: UInt64.self)))
  }

  init(generation: UInt64, block: FoundBlock) {
    self.generation = generation
    self.block = block
  }

  private static func checksum(_ base: UnsafeRawPointer) -> UInt64 {
    // 0 says that there is none.
    max(1, Checksum.of(UnsafeRawBufferPointer(start: base, count: checksumOffset)))
  }
}

/// The first 128 bytes of an arena's records: which arena it is.
///
///     0  "TIERSLOT"   8  version u32, 1   12  arena u32   16  tenant u32   20  tier u32: 0 device, 1 host
///    24  bytes of a slot u64             32  slots u64   40  node of the host and 1 u32, 0 for none
///    44  given back only whole u32       48  0, to 120                      120  XXH3-64 of bytes 0 to 119
struct ArenaRecord: Equatable {
  static let sizeBytes = 128
  private static let magic: UInt64 = 0x544F_4C53_5245_4954
  private static let version: UInt32 = 1

  let arena: ArenaID
  let tier: Tier
  let tenant: TenantID
  let slotBytes: Int
  let slotCount: Int
  /// Where its memory was when it was made.
  let node: Int?
  /// It is given back only whole.
  let isLasting: Bool

  /// Of the file that records this many slots.
  static func fileBytes(slots: Int) -> Int { sizeBytes + slots * SlotRecord.sizeBytes }

  func write(to base: UnsafeMutableRawPointer) {
    let bytes = UnsafeMutableRawBufferPointer(start: base, count: Self.sizeBytes)
    bytes.initializeMemory(as: UInt8.self, repeating: 0)
    bytes.storeBytes(of: Self.magic.littleEndian, toByteOffset: 0, as: UInt64.self)
    bytes.storeBytes(of: Self.version.littleEndian, toByteOffset: 8, as: UInt32.self)
    bytes.storeBytes(of: arena.rawValue.littleEndian, toByteOffset: 12, as: UInt32.self)
    bytes.storeBytes(of: tenant.rawValue.littleEndian, toByteOffset: 16, as: UInt32.self)
    bytes.storeBytes(of: UInt32(tier == .device ? 0 : 1).littleEndian, toByteOffset: 20, as: UInt32.self)
    bytes.storeBytes(of: UInt64(slotBytes).littleEndian, toByteOffset: 24, as: UInt64.self)
    bytes.storeBytes(of: UInt64(slotCount).littleEndian, toByteOffset: 32, as: UInt64.self)
    bytes.storeBytes(of: UInt32((node ?? -1) + 1).littleEndian, toByteOffset: 40, as: UInt32.self)
    bytes.storeBytes(of: UInt32(isLasting ? 1 : 0).littleEndian, toByteOffset: 44, as: UInt32.self)
    bytes.storeBytes(of: Self.checksum(UnsafeRawPointer(base)).littleEndian, toByteOffset: 120, as: UInt64.self)
  }

  /// Nil where it is none, of another version, or damaged.
  init?(_ base: UnsafeRawPointer) {
    func word(_ offset: Int) -> UInt64 { UInt64(littleEndian: base.load(fromByteOffset: offset, as: UInt64.self)) }
    func half(_ offset: Int) -> UInt32 { UInt32(littleEndian: base.load(fromByteOffset: offset, as: UInt32.self)) }
    guard word(0) == Self.magic, half(8) == Self.version, word(120) == Self.checksum(base),
      half(20) <= 1, let slotBytes = Int(exactly: word(24)), let slotCount = Int(exactly: word(32)),
      (1...BlockLayout.maxSlotBytes).contains(slotBytes), (1...Self.maxSlots).contains(slotCount)
    else { return nil }
    self.init(
      arena: ArenaID(half(12)), tier: half(20) == 0 ? .device : .host, tenant: TenantID(half(16)), slotBytes: slotBytes,
      slotCount: slotCount, node: half(40) == 0 ? nil : Int(half(40)) - 1, isLasting: half(44) != 0)
  }

  private static let maxSlots = 1 << 28

  init(
    arena: ArenaID, tier: Tier, tenant: TenantID, slotBytes: Int, slotCount: Int, node: Int? = nil,
    isLasting: Bool = false
  ) {
    (self.node, self.isLasting) = (node, isLasting)
    (self.arena, self.tier, self.tenant, self.slotBytes, self.slotCount) = (arena, tier, tenant, slotBytes, slotCount)
  }

  private static func checksum(_ base: UnsafeRawPointer) -> UInt64 {
    Checksum.of(UnsafeRawBufferPointer(start: base, count: 120))
  }
}
