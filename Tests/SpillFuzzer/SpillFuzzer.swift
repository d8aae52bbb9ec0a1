import TierCore
import TierSpill

/// libFuzzer's entry: every parser of the spill's files, and the decoder, on whatever it makes up. The first byte chooses
/// which. Checksums are made right, as no fuzzer would: what lies behind them is what is to be tried. Built only where
/// `TIERD_FUZZ` is set; docs/testing.md says how.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOneInput(_ bytes: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
  guard size > 2, let bytes else { return 0 }
  let input = UnsafeMutableRawBufferPointer.allocate(byteCount: size - 2, alignment: 64)
  defer { input.deallocate() }
  input.copyMemory(from: UnsafeRawBufferPointer(start: bytes + 2, count: size - 2))
  switch bytes[0] % 6 {
  case 0: fuzzRecord(input)
  case 1: fuzzSegmentHeader(input)
  case 2: fuzzFooter(input)
  case 3: fuzzTombstones(input)
  case 4: decode(UnsafeRawBufferPointer(input), layout(Int(bytes[1])))
  default: fuzzEncoding(input, shape: Int(bytes[1]))
  }
  return 0
}

/// Puts the checksum of what precedes `at` there.
private func seal(_ bytes: UnsafeMutableRawBufferPointer, at offset: Int) {
  guard bytes.count >= offset + 8 else { return }
  let checksum = Checksum.of(UnsafeRawBufferPointer(rebasing: bytes[..<offset]))
  bytes.storeBytes(of: checksum.littleEndian, toByteOffset: offset, as: UInt64.self)
}

private func put(_ magic: StaticString, in bytes: UnsafeMutableRawBufferPointer, at offset: Int) {
  guard bytes.count >= offset + 8 else { return }
  UnsafeMutableRawBufferPointer(rebasing: bytes[offset..<offset + 8])
    .copyMemory(from: UnsafeRawBufferPointer(start: magic.utf8Start, count: 8))
}

private func fuzzRecord(_ bytes: UnsafeMutableRawBufferPointer) {
  put("TSPLREC1", in: bytes, at: 0)
  seal(bytes, at: 152)
  guard let header = RecordHeader.decode(UnsafeRawBufferPointer(bytes), limitBytes: 1 << 20, alignBytes: 512) else {
    return
  }
  precondition(header.storedBytes > 0 && header.storedBytes <= header.layout.payloadBytes, "lengths agree")
  precondition(header.recordBytes <= 1 << 20 && header.recordBytes >= header.storedBytes + RecordHeader.headerBytes)
}

private func fuzzSegmentHeader(_ bytes: UnsafeMutableRawBufferPointer) {
  put("TSPLSEG1", in: bytes, at: 0)
  seal(bytes, at: 56)
  if case .header(let header) = SegmentHeader.decode(UnsafeRawBufferPointer(bytes)) {
    precondition(header.alignBytes >= 512 && header.alignBytes & (header.alignBytes - 1) == 0)
  }
}

/// The input is a file that ends in a footer; its trailer's checksums are made right.
private func fuzzFooter(_ bytes: UnsafeMutableRawBufferPointer) {
  let trailer = SegmentFooter.trailerBytes
  guard bytes.count >= trailer else { return }
  let tail = UnsafeMutableRawBufferPointer(rebasing: bytes[(bytes.count - trailer)...])
  put("TSPLEND1", in: tail, at: 0)
  let count = Int(UInt32(littleEndian: tail.loadUnaligned(fromByteOffset: 48, as: UInt32.self)))
  if count * FooterEntry.bytes <= bytes.count - trailer {
    let table = UnsafeRawBufferPointer(rebasing: bytes[..<(count * FooterEntry.bytes)])
    tail.storeBytes(of: Checksum.of(table).littleEndian, toByteOffset: 64, as: UInt64.self)
  }
  seal(tail, at: 120)
  let extent = Int(UInt64(littleEndian: tail.loadUnaligned(fromByteOffset: 40, as: UInt64.self)) & 0x3fff_ffff)
  for size in [bytes.count, extent + bytes.count] {
    guard
      case .trailer(let parsed) = SegmentFooter.decodeTrailer(UnsafeRawBufferPointer(tail), fileBytes: size)
    else { continue }
    precondition(parsed.extent <= size && parsed.extent + parsed.count * FooterEntry.bytes + trailer <= size)
    guard size - parsed.extent <= bytes.count else { continue }
    guard let footer = SegmentFooter.decode(UnsafeRawBufferPointer(bytes), parsed) else { continue }
    var end = 0
    for entry in footer.entries {
      precondition(entry.offset >= end && entry.offset + entry.recordBytes <= footer.extent, "records lie apart")
      end = entry.offset + entry.recordBytes
    }
  }
}

private func fuzzTombstones(_ bytes: UnsafeMutableRawBufferPointer) {
  let store = StoreIdentity(high: 1, low: 2)
  let found = TombstoneUnit.decode(UnsafeRawBufferPointer(bytes), store: store, number: 0)
  precondition(found.count <= max(0, TombstoneUnit.capacity(alignBytes: bytes.count)))
}

private func layout(_ shape: Int) -> BlockLayout {
  let elements: [ElementType] = [.bf16, .f16, .f32, .opaque]
  let shapes = [(1, 8, 32), (1, 13, 45), (2, 16, 32), (1, 1, 64), (3, 33, 40), (1, 64, 77)]
  let (heads, dim, tokens) = shapes[shape / 4 % shapes.count]
  return BlockLayout(element: elements[shape % 4], kvHeads: heads, headDim: dim, blockTokens: tokens)!
}

private func decode(_ bytes: UnsafeRawBufferPointer, _ layout: BlockLayout) {
  // Exactly as large as they must be: the sanitizer sees the first byte beyond.
  let block = UnsafeMutableRawBufferPointer.allocate(byteCount: layout.payloadBytes, alignment: 64)
  let scratch = UnsafeMutableRawBufferPointer.allocate(
    byteCount: max(1, BlockCodec.scratchBytes(layout)), alignment: 64)
  defer {
    block.deallocate()
    scratch.deallocate()
  }
  for codec in CodecID.allCases {
    _ = BlockCodec.decode(bytes, codec: codec, layout: layout, into: block, scratch: scratch)
  }
}

/// A real encoding, changed as the input says (offset, value; offset, value; …) and cut: what a fuzzer alone would hardly
/// come by.
private func fuzzEncoding(_ changes: UnsafeMutableRawBufferPointer, shape: Int) {
  let layout = layout(shape)
  var random = UInt64(shape) | 1
  let block = UnsafeMutableRawBufferPointer.allocate(byteCount: layout.payloadBytes, alignment: 64)
  let stored = UnsafeMutableRawBufferPointer.allocate(byteCount: layout.payloadBytes, alignment: 64)
  let scratch = UnsafeMutableRawBufferPointer.allocate(
    byteCount: max(1, BlockCodec.scratchBytes(layout)), alignment: 64)
  defer { for buffer in [block, stored, scratch] { buffer.deallocate() } }
  // Exponents that vary little and mantissas that vary a lot, in every element type.
  for i in block.indices {
    random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    let noise = UInt8(truncatingIfNeeded: random >> 40)
    block[i] = i % 2 == 1 ? 0x3c | noise & 0x83 : noise & (shape & 64 == 0 ? 0xff : 0x01)
  }
  let encoded = BlockCodec.encode(UnsafeRawBufferPointer(block), layout: layout, into: stored, scratch: scratch)
  var count = encoded.storedBytes
  for at in stride(from: 0, to: changes.count - 2, by: 3) {
    let offset = Int(changes[at]) << 8 | Int(changes[at + 1])
    // Most of what steers the decoder is at the beginning.
    stored[(at % 2 == 0 ? offset % 256 : offset) % encoded.storedBytes] ^= changes[at + 2]
    if at > 30, changes[at + 2] & 0x1f == 0 { count = min(count, max(1, offset % encoded.storedBytes)) }
  }
  // A copy that ends where the encoding does, for the sanitizer.
  let exact = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 1)
  defer { exact.deallocate() }
  exact.copyMemory(from: UnsafeRawBufferPointer(rebasing: stored[..<count]))
  decode(UnsafeRawBufferPointer(exact), layout)
}
