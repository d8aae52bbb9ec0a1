import Foundation
import Inference
import ModelFiles
import Testing
import TierCore

/// Measures prefill; judges nothing. Set TIERD_SPEED to the token count to run it.
@Suite(.serialized, .enabled(if: ProcessInfo.processInfo.environment["TIERD_SPEED"] != nil))
struct PrefillSpeedTests {
  @Test("Tokens per second of a prefill", arguments: [512, 2048])
  func prefill(chunkTokens: Int) throws {
    let count = ProcessInfo.processInfo.environment["TIERD_SPEED"].flatMap { Int($0) } ?? 4096
    let text = try Reference.load("smollm2_gpl3_f32").tokens
    let tokens = (0..<count).map { text[$0 % text.count] }
    let bench = try RealModel.bf16.get()
    for round in 0..<3 {
      let kv = try bench.kv(AllResidentSession(), blockTokens: 256, maxTokens: count) { $0.chunkTokens = chunkTokens }
      let model = Transformer(
        weights: bench.weights, compute: bench.compute, layout: bench.layout(blockTokens: 256), maxTokens: chunkTokens)
      let before = cpuSeconds()
      let outcome = try Prefill(chunkTokens: chunkTokens).run(tokens, model: model, kv: kv)
      let cpu = cpuSeconds() - before
      print(
        "prefill \(count) tokens, chunk \(chunkTokens), round \(round): \(outcome.seconds) s, "
          + "\(Int(outcome.tokensPerSecond)) tokens/s; CPU \(cpu) s; \(kv.statistics.stalls) stalls")
      try kv.close()
    }
  }

  @Test("Tokens per second of decoding", arguments: [false, true])
  func decode(fromFile: Bool) throws {
    let text = try Reference.load("smollm2_gpl3_f32").tokens
    let bench = try RealModel.bf16.get()
    let checkpoint = try Checkpoint(path: RealModel.path)
    let weights = try DecoderWeights(
      config: checkpoint.config, source: checkpoint.weights, compute: bench.compute, decodesFromFile: fromFile)
    for round in 0..<3 {
      let kv = try bench.kv(AllResidentSession(), blockTokens: 256, maxTokens: 2112) { $0.chunkTokens = 512 }
      let model = Transformer(
        weights: weights, compute: bench.compute, layout: bench.layout(blockTokens: 256), maxTokens: 512)
      _ = try Prefill(chunkTokens: 512).run(text, model: model, kv: kv)
      let spent = try ContinuousClock().measure {
        _ = try Decoder(model: model, kv: kv).run(count: 64, afterRow: 511, choose: Decoder.greedy)
      }
      print("decode 64 tokens after \(text.count), from the file \(fromFile), round \(round): \(spent)")
      try kv.close()
    }
  }

  private func cpuSeconds() -> Double {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
      + Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6
  }
}
