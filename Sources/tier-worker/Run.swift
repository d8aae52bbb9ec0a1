import ArgumentParser
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
    /// How often the daemon went away in the middle, and the answer was gone on with when it was back.
    let reconnects: Int
    let run: RunReport

    func encode(to encoder: any Encoder) throws {
      try run.encode(to: encoder)
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(text, forKey: .text)
      try container.encode(tokenIds, forKey: .tokenIds)
      try container.encode(logitsSha256, forKey: .logitsSha256)
      try container.encode(reconnects, forKey: .reconnects)
    }
    private enum CodingKeys: CodingKey { case text, tokenIds, logitsSha256, reconnects }
  }

  func run() throws { try WorkerFault.reporting(answer) }

  private func answer() throws {
    guard (0...1 << 20).contains(maxNewTokens) else {
      throw WorkerFault.usage("--max-new-tokens \(maxNewTokens): 0 to \(1 << 20) are possible")
    }
    let text = try promptText()
    if text.isEmpty { throw WorkerFault.usage("the prompt is empty: there is nothing to read") }
    let sampler = try Sampler(
      temperature > 0 ? .nucleus(temperature: temperature, topP: topP) : .greedy, seed: seed)
    let reader = try Reader(shared)
    let tokenizer = Tokenizer(try reader.checkpoint.tokenizer())
    let tokens =
      raw
      ? tokenizer.beginTokens + tokenizer.encode(text) : try ChatTemplate(tokenizer).encode([ChatMessage(.user, text)])
    try reader.check(tokens, growth: maxNewTokens, beyondContext: beyondContext)
    let answer = Answer(
      reader: reader, tokenizer: tokenizer, prompt: tokens, maxNewTokens: maxNewTokens, sampler: sampler,
      tracePath: trace, dumpPath: dumpKV, shared: shared)
    let report = try answer.run()
    if !shared.json { Terminal.output("\n\n" + report.table) }
    let output = Output(
      text: answer.said, tokenIds: answer.tokens, logitsSha256: answer.logitsSha256, reconnects: answer.reconnects,
      run: report)
    try WorkerJSON.deliver(output, shared)
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
