import ModelFiles
import Testing

@Suite struct GGUFTests {
  private let scratch: Scratch
  init() throws { scratch = try Scratch() }

  private func open(_ writer: GGUFWriter) throws -> Checkpoint {
    try Checkpoint(path: scratch.write("tiny.gguf", writer.bytes()))
  }

  @Test(arguments: [2, 3] as [UInt32])
  func theConfigurationIsRead(version: UInt32) throws {
    var writer = TinyModel.gguf()
    writer.version = version
    let config = try open(writer).config
    #expect(config.architecture == "llama")
    #expect([config.layers, config.hidden, config.intermediate] == [1, 32, 64])
    #expect([config.queryHeads, config.kvHeads, config.headDim] == [2, 1, 16])
    #expect([config.vocab, config.context] == [260, 64])
    #expect(config.rmsEps == 1e-5)
    #expect(config.rope == RotaryEmbedding(theta: 50_000, scaling: .none))
    #expect(config.tiedEmbeddings)
  }

  @Test func tensorsHaveCanonicalNamesAndShapes() throws {
    let weights = try open(TinyModel.gguf()).weights
    #expect(weights.names == TinyModel.shapes.map(\.canonical).sorted())
    for tensor in TinyModel.shapes {
      let view = try weights.tensor(tensor.canonical, shape: tensor.shape)
      #expect(view.type == .f32)
      #expect(view.rowBytes == 4 * tensor.shape.last!)
      #expect(view.withBytes { Array($0) } == TinyModel.content(tensor.shape))
    }
  }

  @Test func queriesAndKeysAreUnpermuted() throws {
    let weights = try open(TinyModel.gguf()).weights
    let value = try #require(weights.find(TensorName.layer(0, .value)))
    let query = try #require(weights.find(TensorName.layer(0, .query)))
    func first(_ view: TensorView, _ row: Int) -> Float { view.withRow(row) { $0.loadUnaligned(as: Float.self) } }
    #expect((0..<16).map { first(value, $0) } == (0..<16).map(Float.init))
    // The converter writes row j of half h at 2 j + h, head by head.
    let order = [0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15].map(Float.init)
    #expect((0..<32).map { first(query, $0) } == order + order.map { $0 + 16 })
  }

  @Test func aLargerAlignmentMovesTheData() throws {
    var writer = TinyModel.gguf()
    writer.alignment = 4096
    writer.set("general.alignment", .uint32(4096))
    let view = try #require(try open(writer).weights.find(TensorName.finalNorm))
    #expect(view.withBytes { Array($0) } == TinyModel.content([32]))
  }

  @Test func everyTypeOfValueIsPassedOver() throws {
    var writer = TinyModel.gguf()
    let values: [GGUFWriter.Value] = [
      .uint8(1), .int8(-1), .uint16(1), .int16(-1), .uint32(1), .int32(-1), .uint64(1), .int64(-1), .float32(1),
      .float64(1), .bool(true), .string("x"), .strings(["a", ""]), .int32s([1, 2]),
      .nested([.strings(["a"]), .int32s([])]),
    ]
    writer.metadata = values.enumerated().map { ("extra.\($0)", $1) } + writer.metadata
    #expect(try open(writer).config.layers == 1)
  }

  @Test func aHeadOfItsOwnUntiesTheEmbeddings() throws {
    var writer = TinyModel.gguf()
    let shape = [TinyModel.tokens.count, 32]
    writer.tensors.append(
      GGUFWriter.Tensor(
        name: "output.weight", dimensions: shape.reversed().map(UInt64.init), content: TinyModel.content(shape)))
    let model = try open(writer)
    #expect(!model.config.tiedEmbeddings)
    #expect(try model.weights.tensor(TensorName.head, shape: shape).rows == 260)
  }

  @Test func divisorsOfFrequenciesAreRead() throws {
    var writer = TinyModel.gguf()
    let divisors = (1...8).map(Float.init)
    var content: [UInt8] = []
    for divisor in divisors { content.put(divisor.bitPattern) }
    writer.tensors.append(GGUFWriter.Tensor(name: "rope_freqs.weight", dimensions: [8], content: content))
    #expect(try open(writer).config.rope.scaling == .divisors(divisors))
  }

  @Test func theTokenizerIsRead() throws {
    let tokenizer = try open(TinyModel.gguf()).tokenizer()
    #expect(tokenizer.tokens == TinyModel.tokens)
    #expect(tokenizer.preTokenizer == .smollm)
    #expect(tokenizer.addedTokens.map(\.id) == [258, 259])
    #expect(tokenizer.endTokens == [259])
    let expected = [(97, 98, 256), (256, 99, 257)].map {
      TokenizerDescription.Merge(left: Int32($0.0), right: Int32($0.1), result: Int32($0.2))
    }
    #expect(tokenizer.merges == expected)
  }

  /// Every quantised type, by the size its rows must have.
  @Test(
    arguments: [
      (1, StorageType.f16, 64), (30, .bf16, 64), (8, .q80, 34), (2, .q40, 18), (3, .q41, 20),
    ] as [(UInt32, StorageType, Int)])
  func typesOf32ElementsAreRead(code: UInt32, type: StorageType, rowBytes: Int) throws {
    var writer = TinyModel.gguf()
    let index = try #require(writer.tensors.firstIndex { $0.name == "blk.0.attn_q.weight" })
    writer.tensors[index].type = code
    writer.tensors[index].content = (0..<32).flatMap { [UInt8](repeating: UInt8($0), count: rowBytes) }
    let view = try #require(try open(writer).weights.find(TensorName.layer(0, .query)))
    #expect(view.type == type)
    #expect(view.rowBytes == rowBytes)
    // Quantised rows are un-permuted whole.
    #expect(view.withRow(1) { Array($0) } == [UInt8](repeating: 2, count: rowBytes))
  }

  @Test(arguments: [(StorageType.q4K, 144), (.q6K, 210)])
  func superBlocksAre256Elements(type: StorageType, bytes: Int) {
    #expect(type.rowBytes(columns: 512) == 2 * bytes)
    #expect(type.rowBytes(columns: 32) == nil)
  }
}
