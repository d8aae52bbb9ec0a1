import ArgumentParser
import Inference
import TierCore

/// What `run` and `eval` share.
struct SharedOptions: ParsableArguments {
  @Option(help: .init("A .gguf file or a Hugging Face directory.", valueName: "path"))
  var model: String

  @Option(help: .init("tierd's worker socket (default: worker.sock in tierd's runtime directory).", valueName: "path"))
  var socket: String?

  @Flag(help: "Keep the KV in this process, without a daemon.")
  var embedded = false

  @Option(help: .init("With --embedded: emulated or none.", valueName: "device"))
  var device = "none"

  @Option(help: .init("With --embedded: what the device tier may hold.", valueName: "size"))
  var deviceBudget = "1GiB"

  @Option(help: .init("With --embedded: what the host tier may hold.", valueName: "size"))
  var hostBudget = "4GiB"

  @Option(help: .init("With --embedded: what the spill may take on disk; 0 for none.", valueName: "size"))
  var diskBudget = "0"

  @Option(help: .init("With --embedded: where the spill is.", valueName: "dir"))
  var stateDir: String?

  @Option(help: .init("With --embedded: speed of the emulated device's link each way.", valueName: "size/s"))
  var emulatedLink: String?

  @Option(help: .init("Tokens of a chunk: auto, or a multiple of the block's.", valueName: "auto|tokens"))
  var prefillChunkSize = "auto"

  @Option(help: .init("Tokens of a block.", valueName: "tokens"))
  var blockTokens = 256

  @Option(help: .init("What weights and KV are held in: f32 or bf16.", valueName: "dtype"))
  var dtype = "bf16"

  @Flag(help: "Merge in index order: the result does not depend on what was resident.")
  var ordered = false

  @Option(
    help: .init(
      "Where the weights are: managed, in the store under its budgets; private, in this process; auto, managed where the store has room.",
      valueName: "auto|managed|private"))
  var weights = WeightsPlace.auto

  @Flag(
    help: """
      Decode from the file's quantised weights, unexpanded, in f32: fewer bytes a token, and bits of its own. Needs \
      --weights private.
      """)
  var decodeQuantized = false

  @Option(help: .init("Threads to compute on (default: one per processor).", valueName: "threads"))
  var threads: Int?

  @Flag(help: "Print one JSON object.")
  var json = false

  @Option(help: .init("Write the JSON object to a file as well.", valueName: "file"))
  var jsonFile: String?

  /// Tokens of a chunk; nil for `auto`.
  func chunkTokens() throws -> Int? {
    guard blockTokens > 0, blockTokens <= BlockLayout.maxBlockTokens else {
      throw WorkerFault.usage("--block-tokens \(blockTokens): 1 to \(BlockLayout.maxBlockTokens) are possible")
    }
    if prefillChunkSize == "auto" { return nil }
    guard let tokens = Int(prefillChunkSize), tokens > 0, tokens % blockTokens == 0, tokens <= 1 << 20 else {
      throw WorkerFault.usage(
        "--prefill-chunk-size \(prefillChunkSize): give auto or a multiple of the block's \(blockTokens) tokens")
    }
    return tokens
  }

  func computeType() throws -> ComputeType {
    guard let type = ComputeType(rawValue: dtype) else {
      throw WorkerFault.usage("--dtype \(dtype): f32 and bf16 are possible")
    }
    return type
  }

  static func size(_ text: String, of flag: String) throws -> Int {
    guard let bytes = ByteCount.parse(text) else {
      throw WorkerFault.usage("\(flag) \(text) is no size: write it as 48MiB or 8G")
    }
    return bytes
  }
}

/// Where a model's weights are.
enum WeightsPlace: String, ExpressibleByArgument, CaseIterable {
  case auto
  case managed
  case `private`
}
