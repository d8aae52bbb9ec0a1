package import TierCore
package import TierSpill

/// A block with contents that follow from its key and version.
package struct TestBlock: Sendable {
  package let key: BlockKey
  package let layout: BlockLayout
  package let bytes: [UInt8]
  package let checksum: UInt64

  package init(_ number: Int, version: Int = 0, layout: BlockLayout? = nil, tenant: UInt32 = 7) {
    var random = SeededRandom(seed: UInt64(number) << 20 | UInt64(version))
    self.key = BlockKey(
      tenant: TenantID(tenant),
      id: BlockID(a: UInt64(number), b: ~UInt64(number), c: 0x1234_5678_9abc_def0, d: 42), layer: UInt16(number % 30))
    let shapes: [(ElementType, Int, Int, Int)] = [
      (.bf16, 1, 8, 64), (.f16, 2, 16, 32), (.f32, 1, 16, 32), (.opaque, 1, 100, 7), (.bf16, 3, 16, 24),
    ]
    let shape = shapes[number % shapes.count]
    let layout =
      layout ?? BlockLayout(element: shape.0, kvHeads: shape.1, headDim: shape.2, blockTokens: shape.3)!
    self.layout = layout
    // Some compress, some do not.
    let entropy: UInt64 = number % 3 == 0 ? 0xff : 0x03
    let bytes = (0..<layout.payloadBytes).map { _ in UInt8(truncatingIfNeeded: random.next() & entropy) }
    self.bytes = bytes
    self.checksum = bytes.withUnsafeBytes { Checksum.of($0) }
  }
}

extension Spill {
  package func write(_ blocks: [TestBlock]) -> [WriteOutcome] {
    let memory = blocks.map { block in
      let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, block.bytes.count), alignment: 64)
      copy.copyBytes(from: block.bytes)
      return copy
    }
    defer { for copy in memory { copy.deallocate() } }
    return write(
      batch: zip(blocks, memory).map { block, copy in
        BlockWrite(
          key: block.key, layout: block.layout, checksum: block.checksum,
          bytes: UnsafeRawBufferPointer(rebasing: copy[..<block.bytes.count]))
      })
  }

  package func read(_ block: TestBlock) -> (outcome: ReadOutcome, bytes: [UInt8]) {
    var bytes = [UInt8](repeating: 0xa5, count: block.layout.payloadBytes)
    let outcome = bytes.withUnsafeMutableBytes { read(key: block.key, layout: block.layout, into: $0) }
    return (outcome, bytes)
  }

  /// Whether the block is read back, and byte for byte.
  package func holds(_ block: TestBlock) -> Bool {
    let (outcome, bytes) = read(block)
    return outcome == .ok(checksum: block.checksum) && bytes == block.bytes
  }
}

extension WriteOutcome {
  package var isDurable: Bool { if case .durable = self { true } else { false } }
}

extension SpillOptions {
  /// Small segments, so that a test sees many, and no thread of the spill's own.
  package static func small(segmentBytes: Int = 32768) -> SpillOptions {
    var options = SpillOptions()
    options.segmentBytes = segmentBytes
    options.isBackground = false
    return options
  }
}

extension [WriteOutcome] {
  package var areDurable: Bool { allSatisfy(\.isDurable) }
}

extension SeededRandom {
  package mutating func next(below limit: Int) -> Int { Int(next() % UInt64(limit)) }
}
