import ModelFiles
import Testing

@testable import Inference

/// Products that read quantised weights where they lie in the file: those of the packed weights, in f32.
@Suite struct FileRowsTests {
  @Test("Every matrix of a layer, and the head, output for output", arguments: [0, 17])
  func products(layer: Int) throws {
    let checkpoint = try Checkpoint(path: RealModel.path)
    let compute = try Compute(type: .f32, threadCount: 1)
    let shards = try DecoderShards(config: checkpoint.config, source: checkpoint.weights, compute: compute)
    let memory = ShardMemory(shards.layout(of: layer))
    try shards.fillLayer(layer, memory.bases, compute: compute)
    let matrices = shards.matrices(
      of: layer, memory.bases.map { UnsafeRawPointer($0) }, owner: memory, readsFile: true)
    let piece = shards.head.count - 1
    let headMemory = ShardMemory(shards.head[piece].layout)
    try shards.fillHead(piece, headMemory.bases[0], compute: compute)
    let head = shards.headMatrix(
      piece, headMemory.bases.map { UnsafeRawPointer($0) }, owner: headMemory, readsFile: true)
    let all = [
      matrices.queryKeyValue, matrices.attentionOutput, matrices.feedForward.gateUp, matrices.feedForward.down, head,
    ]
    for matrix in all {
      #expect(matrix.fileRows != nil)
      let source = AlignedBuffer(floats: Compute.maxRows * matrix.inputs)
      for i in 0..<matrix.inputs { source.floats[i] = Float((i * 37) % 101 - 50) / 25 }
      let (packed, fromFile) = (AlignedBuffer(floats: 256 * Compute.maxRows), AlignedBuffer(floats: 256))
      for (panel, outputs) in matrix.panels.enumerated() {
        for (target, isDecoding) in [(packed, false), (fromFile, true)] {
          try matrix.multiply(
            panel: panel, rows: 1, source: source.base, target: target.floats, compute: compute, thread: 0,
            isDecoding: isDecoding)
        }
        for i in 0..<outputs.count { #expect(abs(packed.floats[i] - fromFile.floats[i]) <= 2e-4) }
      }
    }
  }

  @Test("Decoded from the file, a text goes on as it does with packed weights, and prefill does not notice")
  func decoding() throws {
    let tokens = Array(try Reference.load("smollm2_gpl3_f32").tokens.prefix(300))
    let checkpoint = try Checkpoint(path: RealModel.path)
    let compute = try Compute(type: .f32, threadCount: 2)
    let answers = try [false, true].map { decodesFromFile in
      let weights = try DecoderWeights(
        config: checkpoint.config, source: checkpoint.weights, compute: compute, decodesFromFile: decodesFromFile)
      let bench = try RealModel.f32.get()
      let kv = try bench.kv(AllResidentSession(), blockTokens: 64, maxTokens: 340) { $0.chunkTokens = 256 }
      let model = Transformer(
        weights: weights, compute: compute, layout: bench.layout(blockTokens: 64), maxTokens: 256)
      _ = try Prefill(chunkTokens: 256).run(tokens, model: model, kv: kv)
      let nll = try Head(model).negativeLogLikelihoods(of: tokens[257...], firstRow: 0)
      let chosen = try Decoder(model: model, kv: kv).run(count: 24, afterRow: 43, choose: Decoder.greedy)
      try kv.close()
      return (chosen, nll)
    }
    #expect(answers[0].0 == answers[1].0)
    #expect(answers[0].0.count == 24)
    #expect(answers[0].1 == answers[1].1)
  }
}
