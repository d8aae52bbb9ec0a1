import Foundation

/// `tier-worker`, as tests start it.
enum Worker {
  /// Where its KV is kept.
  enum Store {
    case daemon(Daemon)
    case socket(String)
    case embedded([String])

    var flags: [String] {
      switch self {
      case .daemon(let daemon): ["--socket", daemon.workerSocket]
      case .socket(let path): ["--socket", path]
      case .embedded(let flags): ["--embedded"] + flags
      }
    }
  }

  static let seconds = 60.0

  /// `tier-worker eval` of a file of token ids.
  static func eval(
    _ model: String, tokens: String, _ store: Store, _ flags: [String] = [], in home: Workspace
  ) throws -> ChildProcess {
    try start(["eval", "--model", model, "--tokens", tokens, "--json"] + store.flags + flags, in: home)
  }

  /// `tier-worker run` of a prompt.
  static func run(
    _ model: String, prompt: String, _ store: Store, _ flags: [String] = [], in home: Workspace
  ) throws -> ChildProcess {
    try start(["run", "--model", model, "--prompt", prompt] + store.flags + flags, in: home)
  }

  /// Budgets in tests are those of the KV: weights are beside them where a test does not say otherwise.
  static func start(_ arguments: [String], in home: Workspace) throws -> ChildProcess {
    let reads = ["run", "eval"].contains(arguments.first) && !arguments.contains("--weights")
    return try ChildProcess(
      Programs.path(of: "tier-worker"), arguments + (reads ? ["--weights", "private"] : []), in: home)
  }
}

/// What `tier-worker eval --json` printed. Floats are printed at full precision, so equal numbers are equal bits.
struct Evaluation: Decodable, Sendable {
  struct Move: Decodable, Sendable {
    let from: String
    let to: String
    let blocks: Int
    let bytes: Int
  }
  struct Tiers: Decodable, Sendable {
    let moves: [Move]
    let hits: Int
    let misses: Int
    let lost: Int
    let peakBytes: [String: Int]
    let budgetBytes: [String: Int]

    func blocks(from: String, to: String) -> Int {
      moves.filter { $0.from == from && $0.to == to }.reduce(0) { $0 + $1.blocks }
    }
  }

  let nll: [Double]
  let top5: [[Double]]
  let meanNll: Double
  let chunks: Int
  let recomputedBlocks: Int
  let tiers: Tiers

  /// The same bits: of every token's nll, and of the last position's likeliest tokens.
  func isIdentical(to other: Evaluation) -> Bool { nll == other.nll && top5 == other.top5 }

  struct Failed: Error, CustomStringConvertible {
    let description: String
  }

  /// Waits for an eval to end well, and reads what it printed.
  init(_ worker: ChildProcess, seconds: Double = Worker.seconds) throws {
    let outcome = try worker.wait(seconds: seconds)
    guard outcome.ending == .exited(0) else {
      throw Failed(description: "tier-worker: \(outcome.ending): \(outcome.error)")
    }
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    self = try decoder.decode(Evaluation.self, from: Data(outcome.output.utf8))
  }
}
