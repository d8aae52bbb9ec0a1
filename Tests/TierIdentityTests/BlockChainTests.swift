import Testing
import TierCore
import TierIdentity

@Suite struct BlockChainTests {
  private func chain(_ block: Vectors.Block) throws -> BlockChain {
    let element = try #require(ElementType(rawValue: block.element))
    let layout = try #require(
      BlockLayout(
        element: element, kvHeads: block.kvHeads, headDim: block.headDim, blockTokens: block.blockTokens))
    return BlockChain(fingerprint: try #require(ModelFingerprint(block.fingerprint)), layout: layout)
  }

  private func hexadecimal(_ id: BlockID) -> String { ModelFingerprint(bytes: id.bytes)!.description }

  @Test func idsAreThoseComputedIndependently() throws {
    for block in try Vectors.read().blocks {
      var chain = try chain(block)
      #expect(chain.append(block.tokens).map(hexadecimal) == block.ids)
    }
  }

  @Test(arguments: [1, 3, 255, 256, 257])
  func piecesOfAnySizeGiveTheSameIds(pieceTokens: Int) throws {
    let block = try #require(try Vectors.read().blocks.first)
    var chain = try chain(block)
    var rest = block.tokens[...]
    var ids: [BlockID] = []
    while !rest.isEmpty {
      ids += chain.append(rest.prefix(pieceTokens))
      rest = rest.dropFirst(pieceTokens)
    }
    #expect(ids.map(hexadecimal) == block.ids)
    #expect(chain.ids == ids)
    #expect(chain.tail == Array(block.tokens.suffix(block.tokens.count % block.blockTokens)))
    #expect(chain.tokenCount == block.tokens.count)
  }

  @Test func anEarlierTokenChangesEveryLaterBlock() throws {
    let block = try #require(try Vectors.read().blocks.first)
    var one = try chain(block)
    var other = one
    var tokens = block.tokens
    one.append(tokens)
    tokens[0] ^= 1
    other.append(tokens)
    #expect(zip(one.ids, other.ids).allSatisfy { $0 != $1 })
  }

  @Test func layoutsDoNotShareIds() throws {
    let fingerprint = try #require(ModelFingerprint(bytes: [UInt8](repeating: 7, count: 32)))
    let layouts = [
      BlockLayout(element: .f32, kvHeads: 2, headDim: 4, blockTokens: 8),
      BlockLayout(element: .bf16, kvHeads: 2, headDim: 4, blockTokens: 8),
      BlockLayout(element: .f32, kvHeads: 4, headDim: 2, blockTokens: 8),
    ]
    let ids = layouts.compactMap { $0 }.map { layout in
      var chain = BlockChain(fingerprint: fingerprint, layout: layout)
      return chain.append(0..<8)
    }
    #expect(Set(ids).count == layouts.count)
  }
}
