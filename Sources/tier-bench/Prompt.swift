import Inference
import ModelFiles

/// The beginning of a real text, written down for the programs under test as text and as tokens.
struct Prompt {
  let tokenCount: Int
  /// [id, id, …]
  let tokensPath: String
  let textPath: String

  /// The leading tokens of the bench's text, as many as asked for; all of them where that is nil.
  /// - Parameter repeats: whether a text that is too short is read again from its beginning.
  init(_ bench: Bench, tokens limit: Int?, repeats: Bool = false) throws(BenchFault) {
    let tokenizer = try Self.tokenizer(bench)
    var whole = try TextFile.read(bench.text)
    if repeats, let limit {
      let once = whole
      while tokenizer.encode(whole).count < limit { whole += "\n\n" + once }
    }
    let (text, ids) = try Self.cut(whole, to: limit, tokenizer, named: bench.text)
    tokenCount = ids.count
    tokensPath = bench.scratch.path + "/tokens-\(ids.count).json"
    textPath = bench.scratch.path + "/prompt-\(ids.count).txt"
    try TextFile.write("[" + ids.map { "\($0)" }.joined(separator: ",") + "]", to: tokensPath)
    try TextFile.write(text, to: textPath)
  }

  private static func tokenizer(_ bench: Bench) throws(BenchFault) -> Tokenizer {
    let model = try bench.requireModel()
    do throws(ModelFileError) {
      return Tokenizer(try Checkpoint(path: model).tokenizer())
    } catch {
      throw .missing("\(error)")
    }
  }

  /// A text that is exactly so many tokens: `tier-worker run` takes text, and makes the tokens itself.
  private static func cut(
    _ text: String, to limit: Int?, _ tokenizer: Tokenizer, named name: String
  ) throws(BenchFault) -> (String, [UInt32]) {
    let all = tokenizer.encode(text)
    let begin = tokenizer.beginTokens
    guard begin.count + all.count >= limit ?? 1 else {
      throw .usage("\(name) has \(begin.count + all.count) tokens, \(limit ?? 1) are needed: name another with --text")
    }
    guard let limit else { return (text, begin + all) }
    let beginning: String
    do throws(TokenizerError) {
      beginning = try tokenizer.decode(all.prefix(limit - begin.count))
    } catch {
      throw .failed("\(error)")
    }
    let ids = begin + tokenizer.encode(beginning)
    // A word that is cut in two may become other tokens.
    guard ids.count == limit else {
      throw .usage("\(name) cannot be cut after \(limit) tokens: name another with --text")
    }
    return (beginning, ids)
  }
}
