import Inference
import ModelFiles
import Testing

/// The real model's file, read as a whole.
@Suite struct ModelFileTests {
  @Test func theConfigurationIsTheModels() throws {
    let config = try TokenizerFixtures.model.get().config
    #expect([config.layers, config.hidden, config.intermediate] == [30, 576, 1536])
    #expect([config.queryHeads, config.kvHeads, config.headDim] == [9, 3, 64])
    #expect([config.vocab, config.context] == [49152, 8192])
    #expect(config.rope == RotaryEmbedding(theta: 100_000, scaling: .none))
    #expect(config.tiedEmbeddings)
  }

  @Test func everyTensorIsThere() throws {
    let model = try TokenizerFixtures.model.get()
    #expect(model.weights.names.count == 272)
    let query = try model.weights.tensor(TensorName.layer(29, .query), shape: [576, 576])
    #expect(query.type == .q41)
    #expect(query.rowOrder == .interleaved(headDim: 64))
    #expect(model.weights.find(TensorName.embedding)?.type == .q80)
  }
}
