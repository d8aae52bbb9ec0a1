/// A run over a real text, and what it says with everything resident: what each run of it must say, whatever happens to
/// others meanwhile. Done once for all tests.
final class ReferenceRun: Sendable {
  let result: Evaluation

  private static let tokens = 1024
  private static let flags = ["--ordered", "--prefill-chunk-size", "256"]

  static let shared = Result { try ReferenceRun() }

  private init() throws {
    let home = try Workspace()
    result = try Evaluation(Self.start(.embedded([]), in: home))
  }

  /// Starts it again, elsewhere.
  func start(_ store: Worker.Store, _ flags: [String] = [], in home: Workspace) throws -> ChildProcess {
    try Self.start(store, flags, in: home)
  }

  private static func start(_ store: Worker.Store, _ more: [String] = [], in home: Workspace) throws -> ChildProcess {
    try Worker.eval(RealModel.path(), tokens: Tokens.real(tokens, in: home), store, flags + more, in: home)
  }
}
