import ArgumentParser
import FoundationEssentials
import Inference
import TierCore

struct Eval: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Scores how likely the model finds given tokens.")

  @OptionGroup var shared: SharedOptions

  @Option(help: .init("A JSON file: [id, id, …].", valueName: "file"))
  var tokens: String

  @Flag(help: "Read more than the model was trained for.")
  var beyondContext = false

  struct Output: Encodable {
    let nll: [Float]
    let meanNll: Double
    let top5: [[Double]]
    let scoreS: Double
    let run: RunReport

    func encode(to encoder: any Encoder) throws {
      try run.encode(to: encoder)
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(nll, forKey: .nll)
      try container.encode(meanNll, forKey: .meanNll)
      try container.encode(top5, forKey: .top5)
      try container.encode(scoreS, forKey: .scoreS)
    }
    private enum CodingKeys: CodingKey { case nll, meanNll, top5, scoreS }
  }

  func run() throws { try WorkerFault.reporting(score) }

  private func score() throws {
    let ids = try readTokens()
    let reader = try Reader(shared)
    try reader.check(ids, beyondContext: beyondContext)
    let store = try Store(shared)
    defer { store.close() }
    let before = try store.session.statistics()
    let kv = try reader.open(store, prompt: ids.count)
    let model = try reader.load(store, for: kv)
    let bar = ProgressBar(label: "scoring")
    var chunks = 0
    let score = try Scorer(chunkTokens: model.maxTokens).run(ids, model: model, kv: kv) { progress in
      chunks = progress.chunks
      if Terminal.errorIsTerminal { bar.show(progress, try store.session.statistics()) }
    }
    bar.clear()
    try kv.close()
    let report = RunReport(score.prefill, kv.statistics, before, try store.session.statistics(), chunks: chunks)
    if !shared.json {
      let mean = RunReport.decimal(score.meanNLL, 4)
      Terminal.output("  mean nll  \(mean) over \(score.nll.count) tokens\n" + report.table)
    }
    let output = Output(
      nll: score.nll, meanNll: score.meanNLL, top5: score.top5.map { [Double($0.token), Double($0.logit)] },
      scoreS: score.scoreSeconds, run: report)
    try WorkerJSON.deliver(output, shared)
  }

  private func readTokens() throws -> [UInt32] {
    guard let data = FileManager.default.contents(atPath: tokens) else {
      throw WorkerFault(message: "cannot read \(tokens): is it there, and yours to read?", exitCode: 74)
    }
    do { return try JSONDecoder().decode([UInt32].self, from: data) } catch {
      throw WorkerFault(message: "\(tokens) holds no list of token ids: [id, id, …]", exitCode: 64)
    }
  }
}
