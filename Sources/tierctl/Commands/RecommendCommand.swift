import ArgumentParser
import Glibc
import ModelFiles
import TierCore

struct RecommendCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "recommend",
    abstract: "A chunk size for a model and a context, and what it will take.",
    discussion: """
      Works without a daemon: the plan is replayed on the planner. Speeds are guesses unless they are given; they move no
      byte, and only say what is waited for.

      EXAMPLES:
        tierctl recommend --model SmolLM2.gguf --context 8192 --device-memory 48MiB --host-memory 48MiB
        tierctl recommend --model Llama-3-8B --context 128000 --device-memory 24GiB --weights managed --link 25GB
      """)

  @OptionGroup var connection: ConnectionOptions

  @Option(help: .init("A .gguf file or a Hugging Face directory.", valueName: "path"))
  var model: String

  @Option(help: .init("Tokens of the prompt and the answer.", valueName: "tokens"))
  var context: Int

  @Option(help: .init("What the device tier may hold; 0: the host is computed on.", valueName: "size"))
  var deviceMemory = "24GiB"

  @Option(help: .init("What the host tier may hold.", valueName: "size"))
  var hostMemory = "32GiB"

  @Option(help: .init("What the spill may take.", valueName: "size"))
  var diskMemory = "1TiB"

  @Option(help: .init("Tokens of a block.", valueName: "tokens"))
  var blockTokens = 256

  @Option(help: .init("What weights and KV are held in: f32 or bf16.", valueName: "dtype"))
  var dtype = "bf16"

  @Option(help: .init("Whether weights share the budgets: managed or private.", valueName: "managed|private"))
  var weights = "managed"

  @Option(help: .init("Look at this chunk instead of the recommended.", valueName: "tokens"))
  var prefillChunkSize: Int?

  @Option(help: .init("Speed of the link between device and host, a second.", valueName: "size"))
  var link = "8GB"

  @Option(help: .init("Speed of the spill, a second.", valueName: "size"))
  var disk = "2GB"

  @Option(help: .init("Arithmetic of the device in GFLOP/s.", valueName: "number"))
  var gflops = 400.0

  func validate() throws {
    guard context > 0, context <= 1 << 24 else { throw ValidationError("--context is 1 to \(1 << 24) tokens") }
    guard ["f32", "bf16"].contains(dtype) else { throw ValidationError("--dtype is f32 or bf16") }
    guard ["private", "managed"].contains(weights) else { throw ValidationError("--weights is private or managed") }
    guard gflops > 0, gflops.isFinite else { throw ValidationError("--gflops is a positive number") }
    guard blockTokens > 0, blockTokens <= BlockLayout.maxBlockTokens else {
      throw ValidationError("--block-tokens is 1 to \(BlockLayout.maxBlockTokens)")
    }
    if let size = prefillChunkSize, size <= 0 || size % blockTokens != 0 {
      throw ValidationError("--prefill-chunk-size is a multiple of the block's \(blockTokens) tokens")
    }
  }

  func run() throws {
    let shape: ModelShape
    do throws(ModelFileError) {
      let config = try Checkpoint(path: model).config
      shape = ModelShape(
        layers: config.layers, hidden: config.hidden, intermediate: config.intermediate, queryHeads: config.queryHeads,
        kvHeads: config.kvHeads, headDim: config.headDim, vocab: config.vocab, element: dtype == "f32" ? .f32 : .bf16)
    } catch {
      writeToStandardError("tierctl: \(error)\n")
      throw ExitCode(74)
    }
    guard
      BlockLayout(
        element: shape.element, kvHeads: shape.kvHeads, headDim: shape.headDim, blockTokens: blockTokens) != nil
    else { throw ValidationError("a block of \(blockTokens) tokens of this model is too large: fewer --block-tokens") }
    let machine = Recommendation.Machine(
      deviceBytes: try size(deviceMemory, "--device-memory"), hostBytes: try size(hostMemory, "--host-memory"),
      diskBytes: try size(diskMemory, "--disk-memory"), linkBytesPerSecond: Double(try size(link, "--link")),
      diskBytesPerSecond: Double(try size(disk, "--disk")), flopsPerSecond: gflops * 1e9)
    guard machine.linkBytesPerSecond > 0, machine.diskBytesPerSecond > 0 else {
      throw ValidationError("--link and --disk are sizes a second, above 0")
    }
    let found = Recommendation(
      shape, contextTokens: context, blockTokens: blockTokens, machine: machine, managesWeights: weights == "managed",
      chunkTokens: prefillChunkSize)
    try connection.show(RecommendReply(found, shape, context: context, chunkTokens: prefillChunkSize)) {
      RecommendView.render($0)
    }
    if found.refusal != nil { throw ExitCode(78) }
  }

  private func size(_ text: String, _ flag: String) throws -> Int {
    guard let bytes = ByteCount.parse(text) else {
      throw ValidationError("\(flag) \(text) is no size: write it as 24GiB or 512M")
    }
    return bytes
  }
}
