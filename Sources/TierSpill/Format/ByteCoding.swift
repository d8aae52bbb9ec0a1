import TierCore

/// Little-endian fields at fixed offsets. Bounds are the caller's contract: headers have fixed sizes, checked once.
struct FieldWriter {
  let bytes: UnsafeMutableRawBufferPointer

  func put<Value: FixedWidthInteger>(_ value: Value, at offset: Int) {
    precondition(offset >= 0 && offset + MemoryLayout<Value>.size <= bytes.count, "field outside its header")
    bytes.storeBytes(of: value.littleEndian, toByteOffset: offset, as: Value.self)
  }
}

struct FieldReader {
  let bytes: UnsafeRawBufferPointer

  func get<Value: FixedWidthInteger>(_ type: Value.Type, at offset: Int) -> Value {
    precondition(offset >= 0 && offset + MemoryLayout<Value>.size <= bytes.count, "field outside its header")
    return Value(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Value.self))
  }
}

extension FieldWriter {
  /// A block id's 32 bytes in their own order.
  func put(_ id: BlockID, at offset: Int) {
    for (i, word) in [id.a, id.b, id.c, id.d].enumerated() { put(word.byteSwapped, at: offset + 8 * i) }
  }
}

extension FieldReader {
  func blockID(at offset: Int) -> BlockID {
    func word(_ i: Int) -> UInt64 { get(UInt64.self, at: offset + 8 * i).byteSwapped }
    return BlockID(a: word(0), b: word(1), c: word(2), d: word(3))
  }
}

extension Int {
  /// Rounded up to a multiple of `unit`, a power of two. The caller keeps values far below `Int.max`.
  package func roundedUp(to unit: Int) -> Int { (self + unit - 1) & ~(unit - 1) }
}
