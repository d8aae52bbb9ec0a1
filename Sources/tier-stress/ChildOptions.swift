import ArgumentParser

/// How this program is started by itself; and what only tests ask for.
struct ChildOptions: ParsableArguments {
  enum Role: String, ExpressibleByArgument {
    case worker, hostile, stranger
  }

  @Option(help: .hidden) var child: Role?
  @Option(help: .hidden) var worldSeed: UInt64 = 1
  @Option(help: .hidden) var maxBlocks = 40
  @Option(help: .hidden) var lingering = 0
  @Option(help: .hidden) var asUid: UInt32 = 0
  /// Shows that wrong bytes are seen: one read in so many is held against another block's bytes.
  @Option(help: .hidden) var testFalsifyOneReadIn = 0

  func run(_ role: Role, socket: String, seed: UInt64) throws {
    switch role {
    case .worker:
      try WorkerLoop(
        socketPath: socket, seed: seed, worldSeed: worldSeed, maxBlocks: maxBlocks, lingering: lingering,
        falsifyOneReadIn: testFalsifyOneReadIn
      ).run()
    case .hostile: try HostileClient(socketPath: socket, seed: seed, uid: asUid).run()
    case .stranger: try Stranger.run(socketPath: socket, uid: asUid)
    }
  }
}
