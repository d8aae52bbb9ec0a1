import ArgumentParser
import Crypto
import FoundationEssentials
import Inference
import ModelFiles
import TierCore

struct Run: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Reads a prompt and answers it.")

  @OptionGroup var shared: SharedOptions

  @Option(help: .init("The prompt.", valueName: "text"))
  var prompt: String?

  @Option(help: .init("A file that holds the prompt.", valueName: "file"))
  var promptFile: String?

  @Option(help: .init("Tokens to answer with at most.", valueName: "tokens"))
  var maxNewTokens = 128

  @Option(help: .init("0 takes the likeliest token; more is more varied.", valueName: "number"))
  var temperature: Double = 0

  @Option(help: .init("With a temperature: sample from the likeliest tokens of this mass.", valueName: "number"))
  var topP: Double = 1

  @Option(help: .init("Of the sampling.", valueName: "number"))
  var seed: UInt64 = 0

  @Flag(help: "Take the prompt as it is, without the chat template.")
  var raw = false

  @Flag(help: "Read more than the model was trained for.")
  var beyondContext = false

  @Option(
    help: .init(
      "Write what was computed, waited for and moved to a file in Chrome's trace event format (opens in Perfetto).",
      valueName: "file"))
  var trace: String?

  @Option(
    help: .init(
      "Write the KV of the prompt's full blocks to a directory: a file for each layer and block, and layout.json.",
      valueName: "dir"))
  var dumpKV: String?

  struct Output: Encodable {
    let text: String
    let tokenIds: [UInt32]
    /// Of the bits of all logits a token was chosen from, in order: equal digests are equal logits.
    let logitsSha256: String
    let run: RunReport

    func encode(to encoder: any Encoder) throws {
      try run.encode(to: encoder)
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(text, forKey: .text)
      try container.encode(tokenIds, forKey: .tokenIds)
      try container.encode(logitsSha256, forKey: .logitsSha256)
    }
    private enum CodingKeys: CodingKey { case text, tokenIds, logitsSha256 }
  }

  func run() throws { try WorkerFault.reporting(answer) }

  private func answer() throws {
    guard (0...1 << 20).contains(maxNewTokens) else {
      throw WorkerFault.usage("--max-new-tokens \(maxNewTokens): 0 to \(1 << 20) are possible")
    }
    let text = try promptText()
    if text.isEmpty { throw WorkerFault.usage("the prompt is empty: there is nothing to read") }
    var sampler = try Sampler(
      temperature > 0 ? .nucleus(temperature: temperature, topP: topP) : .greedy, seed: seed)
    let reader = try Reader(shared)
    let tokenizer = Tokenizer(try reader.checkpoint.tokenizer())
    let tokens =
      raw ? tokenizer.beginTokens + tokenizer.encode(text) : try ChatML(tokenizer).encode([ChatMessage(.user, text)])
    try reader.check(tokens, growth: maxNewTokens, beyondContext: beyondContext)
    let store = try Store(shared)
    defer { store.close() }
    let trace = try trace.map { try RunTrace($0, storeName: store.processName) }
    try trace?.follow(store.session, "kv")
    let before = try store.session.statistics()
    let kv = try reader.open(store, prompt: tokens.count, growth: maxNewTokens, observer: trace)
    let model = try reader.load(store, for: kv, trace: trace)
    let dump = try dumpKV.map { try KVDump($0, kv.layout) }
    if let dump { kv.onBlock = { dump.take(layer: $0, index: $1, $2) } }
    let bar = ProgressBar(label: "reading")
    var chunks = 0
    // What is to be dumped is computed here, whatever the store has.
    let prefill = try Prefill(chunkTokens: model.maxTokens, reusesCachedBlocks: dump == nil).run(
      tokens, model: model, kv: kv,
      progress: { progress in
        chunks = progress.chunks
        if Terminal.errorIsTerminal { bar.show(progress, try store.session.statistics()) }
      })
    bar.clear()
    kv.onBlock = nil
    try dump?.finish()
    let lastRow = (prefill.computedTokens - 1) % model.maxTokens
    var decoder = StreamingDecoder(tokenizer, skippingSpecial: true)
    var said = ""
    func say(_ piece: String) {
      said += piece
      if !shared.json { Terminal.output(piece) }
    }
    var digest = SHA256()
    let isReported = shared.json || shared.jsonFile != nil
    let answered = try Decoder(model: model, kv: kv).run(
      count: maxNewTokens, afterRow: lastRow,
      choose: { logits in
        if isReported { digest.update(bufferPointer: UnsafeRawBufferPointer(logits)) }
        return try sampler.next(logits)
      },
      isEnd: tokenizer.endTokens.contains, emit: { say(try decoder.append($0)) })
    say(decoder.finish())
    try kv.close()
    let report = RunReport(prefill, kv.statistics, before, try store.session.statistics(), chunks: chunks)
    try trace?.finish()
    if !shared.json { Terminal.output("\n\n" + report.table) }
    let sha256 = digest.finalize().map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
    try WorkerJSON.deliver(Output(text: said, tokenIds: answered, logitsSha256: sha256, run: report), shared)
  }

  private func promptText() throws -> String {
    switch (prompt, promptFile) {
    case (let text?, nil): return text
    case (nil, let path?):
      guard let data = FileManager.default.contents(atPath: path) else {
        throw WorkerFault(message: "cannot read \(path): is it there, and yours to read?", exitCode: 74)
      }
      guard let text = String(data: data, encoding: .utf8) else {
        throw WorkerFault(message: "\(path) is not UTF-8 text", exitCode: 64)
      }
      return text
    default: throw WorkerFault.usage("give one of --prompt and --prompt-file")
    }
  }
}
