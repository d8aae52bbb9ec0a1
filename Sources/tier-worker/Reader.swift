import FoundationEssentials
import Glibc
import Inference
import ModelFiles
import TierCore
import TierIdentity

/// A loaded model and the sequence it reads.
struct Reader {
  let checkpoint: Checkpoint
  let model: Transformer
  let chunkTokens: Int
  private let layout: BlockLayout
  private let fingerprint: ModelFingerprint

  init(_ options: SharedOptions) throws {
    chunkTokens = try options.chunkTokens()
    let type = try options.computeType()
    let threads = options.threads ?? max(1, ProcessInfo.processInfo.activeProcessorCount)
    guard (1...256).contains(threads) else { throw WorkerFault.usage("--threads \(threads): 1 to 256 are possible") }
    checkpoint = try Checkpoint(path: options.model)
    guard let layout = Transformer.layout(of: checkpoint.config, type: type, blockTokens: options.blockTokens) else {
      throw WorkerFault.usage(
        "a block of \(options.blockTokens) tokens of this model is too large: fewer --block-tokens")
    }
    self.layout = layout
    fingerprint = checkpoint.fingerprint(cache: FingerprintCache(environment: ProcessInfo.processInfo.environment))
    let compute = try Compute(type: type, threadCount: threads)
    let bar = ProgressBar(label: "loading")
    let weights = try LlamaWeights(
      config: checkpoint.config, source: checkpoint.weights, compute: compute,
      progress: { done, of in bar.show(done, of: of, note: "layers") })
    bar.clear()
    model = Transformer(weights: weights, compute: compute, layout: layout, maxTokens: chunkTokens)
  }

  /// Opens a sequence for `tokens` tokens. Refuses more than the model was trained for.
  func sequence(
    _ options: SharedOptions, _ session: any ResidencySession, tokens: Int, beyondContext: Bool
  ) throws -> TieredKV {
    let context = checkpoint.config.context
    guard tokens <= context || beyondContext else {
      throw WorkerFault(
        message: "\(tokens) tokens are more than the model's context of \(context): shorten the prompt, "
          + "or allow it with --beyond-context", exitCode: 64)
    }
    var kv = KVOptions(chunkTokens: chunkTokens, maxTokens: tokens)
    kv.ordered = options.ordered
    return try TieredKV(
      session: session, sequence: SequenceID(1), fingerprint: fingerprint, layout: layout,
      layers: checkpoint.config.layers, options: kv,
      onQueued: { ahead in Terminal.error("waiting for memory behind \(ahead) other sequences\n") })
  }

  func check(_ tokens: [UInt32]) throws {
    if tokens.isEmpty { throw WorkerFault.usage("the prompt is empty: there is nothing to read") }
    if let wrong = tokens.first(where: { $0 >= checkpoint.config.vocab }) {
      throw WorkerFault.usage("token \(wrong) is outside the vocabulary of \(checkpoint.config.vocab)")
    }
  }
}
