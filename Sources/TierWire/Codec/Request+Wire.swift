import FoundationEssentials
import SwiftProtobuf
import TierCore

extension Request {
  /// `body` is neither a hello nor a query.
  init(_ body: WireClientFrame.OneOf_Body) throws(FrameError) {
    switch body {
    case .open(let m): self = .open(try SequencePlan(m))
    case .extend(let m): self = try Self.extend(m)
    case .reserve(let m):
      let at = try BlockAddress(m)
      self = .reserve(at.sequence, layer: at.layer, blocks: at.blocks)
    case .seal(let m):
      let at = try BlockAddress(m)
      self = .seal(at.sequence, layer: at.layer, blocks: at.blocks)
    case .acquire(let m):
      try m.requireOnlyKnownFields()
      self = .acquire(
        SequenceID(m.sequence), chunk: try Field.checked(m.chunk, "chunk", atMost: Request.maxChunk),
        layer: try Field.layer(m.layer), blocks: try Field.range(first: m.first, count: m.count))
    case .release(let m):
      let at = try BlockAddress(m)
      self = .release(at.sequence, layer: at.layer, blocks: at.blocks)
    case .close(let m):
      try m.requireOnlyKnownFields()
      self = .close(SequenceID(m.sequence))
    case .hello, .statisticsQuery, .traceQuery: throw .malformed("it is no request")
    }
  }

  /// A chunk has at least one token.
  static let maxChunk = Int(Int32.max)

  private static func extend(_ m: WireExtend) throws(FrameError) -> Request {
    try m.requireOnlyKnownFields()
    let (count, rest) = m.blocks.count.quotientAndRemainder(dividingBy: BlockID.sizeBytes)
    guard rest == 0 else { throw .malformed("block ids of \(m.blocks.count) bytes are no multiple of 32") }
    _ = try Field.checked(count, "count of blocks", atMost: ProtocolLimits.blocksPerRequest)
    let blocks = m.blocks.withUnsafeBytes { bytes in
      (0..<count).map { block in
        let word = { (i: Int) in
          UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: block * BlockID.sizeBytes + i * 8, as: UInt64.self))
        }
        return BlockID(a: word(0), b: word(1), c: word(2), d: word(3))
      }
    }
    return .extend(SequenceID(m.sequence), blocks: blocks)
  }

  /// Throws where the request exceeds a limit, so that no client sends what would end its session.
  func body() throws(FrameError) -> WireClientFrame.OneOf_Body {
    switch self {
    case .open(let plan): .open(try plan.message())
    case .extend(let sequence, let blocks): .extend(try Self.extend(sequence, blocks))
    case .reserve(let sequence, let layer, let blocks):
      .reserve(try BlockAddress(sequence: sequence, layer: layer, blocks: blocks).message())
    case .seal(let sequence, let layer, let blocks):
      .seal(try BlockAddress(sequence: sequence, layer: layer, blocks: blocks).message())
    case .acquire(let sequence, let chunk, let layer, let blocks):
      .acquire(try Self.acquire(BlockAddress(sequence: sequence, layer: layer, blocks: blocks), chunk))
    case .release(let sequence, let layer, let blocks):
      .release(try BlockAddress(sequence: sequence, layer: layer, blocks: blocks).message())
    case .close(let sequence): .close(.with { $0.sequence = sequence.rawValue })
    }
  }

  private static func extend(_ sequence: SequenceID, _ blocks: [BlockID]) throws(FrameError) -> WireExtend {
    _ = try Field.checked(blocks.count, "count of blocks", atMost: ProtocolLimits.blocksPerRequest)
    var bytes = Data(capacity: blocks.count * BlockID.sizeBytes)
    for block in blocks {
      for word in [block.a, block.b, block.c, block.d] {
        withUnsafeBytes(of: word.bigEndian) { bytes.append(contentsOf: $0) }
      }
    }
    var message = WireExtend()
    message.sequence = sequence.rawValue
    message.blocks = bytes
    return message
  }

  private static func acquire(_ address: BlockAddress, _ chunk: Int) throws(FrameError) -> WireAcquire {
    let address = try address.message()
    var message = WireAcquire()
    message.sequence = address.sequence
    message.layer = address.layer
    message.first = address.first
    message.count = address.count
    message.chunk = UInt32(try Field.checked(chunk, "chunk", atMost: maxChunk))
    return message
  }
}
