import FoundationEssentials
import Glibc
import TierTesting

/// What `tier-worker run` answered: equal digests are equal bits of every logit a token was chosen from.
struct Answer: Decodable, Equatable {
  let tokenIds: [UInt32]
  let logitsSha256: String
  /// How often its daemon went away meanwhile.
  var reconnects: Int

  func isSame(as other: Answer) -> Bool { tokenIds == other.tokenIds && logitsSha256 == other.logitsSha256 }
}

/// How tier-worker is started to read one of a run's prompts.
struct AnswerPrompt {
  let program: String
  let model: String
  let directory: String
  let number: Int

  private static let maxNewTokens = 24

  /// Texts that share no block: their first words differ.
  private var text: String {
    "Text \(number). " + (0..<40).map { "Line \($0 * (number + 1)) of a text that is read chunk by chunk. " }.joined()
  }

  private var answerPath: String { "\(directory)/answer-\(number).json" }
  var logPath: String { "\(directory)/answer-\(number).log" }

  /// `store`: the flags that say where its KV is.
  func start(_ store: [String]) throws(StressFault) -> ChildProcess {
    try? FileManager.default.removeItem(atPath: answerPath)
    return try ChildProcess(
      program,
      [
        "run", "--model", model, "--prompt", text, "--raw", "--ordered", "--max-new-tokens", "\(Self.maxNewTokens)",
        "--block-tokens", "32", "--prefill-chunk-size", "64", "--threads", "1", "--weights", "private", "--json-file",
        answerPath,
      ] + store, errorPath: logPath)
  }

  func answer() throws(StressFault) -> Answer {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    guard let data = FileManager.default.contents(atPath: answerPath),
      let answer = try? decoder.decode(Answer.self, from: data)
    else { throw .failed("tier-worker left no answer: \(lastWords)") }
    return answer
  }

  /// Milliseconds each of its waits for the daemon took, as it said.
  func waitsMs() -> [Int] {
    let log = FileManager.default.contents(atPath: logPath).map { String(decoding: $0, as: UTF8.self) } ?? ""
    return log.split(separator: "\n").compactMap { line in
      let words = line.split(separator: " ")
      guard line.hasPrefix("the daemon is back after "), words.count > 5 else { return nil }
      return Int(words[5])
    }
  }

  var lastWords: String {
    let log = FileManager.default.contents(atPath: logPath).map { String(decoding: $0, as: UTF8.self) } ?? ""
    return log.split(separator: "\n").last.map(String.init) ?? "it said nothing"
  }
}
