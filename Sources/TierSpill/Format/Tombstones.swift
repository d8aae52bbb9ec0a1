package import TierCore

/// Says that one copy of a block is dead: the block was forgotten, written anew, moved, or the write was answered as
/// failed. Needed as long as the segment that holds the copy exists.
package struct Tombstone: Sendable, Hashable {
  package var key: BlockKey
  package var generation: UInt64
  package var segment: UInt64

  package init(key: BlockKey, generation: UInt64, segment: UInt64) {
    self.key = key
    self.generation = generation
    self.segment = segment
  }
}

/// The file `forgotten`: units of `alignBytes`, each of which verifies on its own. Layout: docs/spill-format.md,
/// "Forgotten".
package enum TombstoneUnit {
  package static let fileName = "forgotten"
  static let magic: UInt64 = 0x3144_4145_4c50_5354  // "TSPLEAD1"
  static let version: UInt16 = 1
  static let headerBytes = 48
  static let entryBytes = 56

  package static func capacity(alignBytes: Int) -> Int { (alignBytes - headerBytes) / entryBytes }

  /// `unit` is zeroed first; `number` is its place in the file.
  package static func encode(
    _ tombstones: some Collection<Tombstone>, store: StoreIdentity, number: Int,
    into unit: UnsafeMutableRawBufferPointer
  ) {
    precondition(tombstones.count <= capacity(alignBytes: unit.count), "tombstones fit their unit")
    unit.initializeMemory(as: UInt8.self, repeating: 0)
    let fields = FieldWriter(bytes: unit)
    for (i, tombstone) in tombstones.enumerated() {
      let at = headerBytes + i * entryBytes
      fields.put(tombstone.key.id, at: at)
      fields.put(tombstone.generation, at: at + 32)
      fields.put(tombstone.segment, at: at + 40)
      fields.put(tombstone.key.tenant.rawValue, at: at + 48)
      fields.put(tombstone.key.layer, at: at + 52)
    }
    fields.put(magic, at: 0)
    fields.put(version, at: 8)
    fields.put(UInt16(headerBytes), at: 10)
    fields.put(UInt32(tombstones.count), at: 12)
    fields.put(store.high, at: 16)
    fields.put(store.low, at: 24)
    fields.put(UInt64(number), at: 32)
    fields.put(checksum(UnsafeRawBufferPointer(unit)), at: 40)
  }

  /// Over everything but itself.
  private static func checksum(_ unit: UnsafeRawBufferPointer) -> UInt64 {
    Checksum.of(UnsafeRawBufferPointer(rebasing: unit[..<40]))
      ^ Checksum.of(UnsafeRawBufferPointer(rebasing: unit[headerBytes...])).byteSwapped
  }

  /// Empty where the unit is not one, of this store and of this place. Safe on any input.
  package static func decode(_ unit: UnsafeRawBufferPointer, store: StoreIdentity, number: Int) -> [Tombstone] {
    guard unit.count >= headerBytes else { return [] }
    let fields = FieldReader(bytes: unit)
    let count = Int(fields.get(UInt32.self, at: 12))
    guard fields.get(UInt64.self, at: 0) == magic, fields.get(UInt16.self, at: 8) == version,
      fields.get(UInt16.self, at: 10) == UInt16(headerBytes), fields.get(UInt64.self, at: 40) == checksum(unit),
      fields.get(UInt64.self, at: 16) == store.high, fields.get(UInt64.self, at: 24) == store.low,
      fields.get(UInt64.self, at: 32) == UInt64(number), count <= capacity(alignBytes: unit.count)
    else { return [] }
    return (0..<count).map { i in
      let at = headerBytes + i * entryBytes
      return Tombstone(
        key: BlockKey(
          tenant: TenantID(fields.get(UInt32.self, at: at + 48)), id: fields.blockID(at: at),
          layer: fields.get(UInt16.self, at: at + 52)),
        generation: fields.get(UInt64.self, at: at + 32), segment: fields.get(UInt64.self, at: at + 40))
    }
  }
}
