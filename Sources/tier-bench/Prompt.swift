import Inference
import ModelFiles

/// A real text as tokens, written down for the programs under test.
struct Prompt {
  let tokenCount: Int
  /// [id, id, …]
  let path: String

  /// The leading tokens of the bench's text, as many as asked for; all of them where that is nil.
  init(_ bench: Bench, tokens limit: Int?) throws(BenchFault) {
    let ids = try Self.tokens(bench)
    guard ids.count >= limit ?? 1 else {
      throw .usage("\(bench.text) has \(ids.count) tokens, \(limit ?? 1) are needed: name a longer one with --text")
    }
    let taken = ids.prefix(limit ?? ids.count)
    tokenCount = taken.count
    path = bench.scratch.path + "/tokens-\(taken.count).json"
    try TextFile.write("[" + taken.map { "\($0)" }.joined(separator: ",") + "]", to: path)
  }

  private static func tokens(_ bench: Bench) throws(BenchFault) -> [UInt32] {
    let text = try TextFile.read(bench.text)
    let model = try bench.requireModel()
    do throws(ModelFileError) {
      let tokenizer = Tokenizer(try Checkpoint(path: model).tokenizer())
      return tokenizer.beginTokens + tokenizer.encode(text)
    } catch {
      throw .missing("\(error)")
    }
  }
}
