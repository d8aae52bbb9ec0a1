import ArgumentParser
import ControlAPI
import FoundationEssentials
import Glibc

@main
struct TierStress: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tier-stress",
    abstract: "Workers, faults and hostile clients against a real tierd; every byte of every block is verified.",
    discussion: """
      Each block's bytes derive from its id and layer, so every worker knows what it must be shown. Everything random comes \
      from the seed; what the machine's scheduling does is not in it. Ends by itself, and ends only what it started.

      EXAMPLES:
        tier-stress --profile ci                       everything, in less than a minute
        tier-stress --profile soak --minutes 10        is memory flat?
        tier-stress --profile pressure --seed 7        budgets that change all the time
        tier-stress --kill-workers 1000                how soon is free what a killed worker held?
        tier-stress --kill-daemon 50 --minutes 2       is what was durable served again after kill -9 of tierd?
        tier-stress --kill-daemon 1000 --keep-memory   and is all of it, where its memory is kept?
        tier-stress --kill-daemon 50 --answers MODEL   is every answer right of 4 workers that go on?
        tier-stress --hostile 100000                   what do others notice of clients that keep to no protocol?

      EXIT CODES: 0 every promise held, 64 usage, 69 something is missing, 70 a promise was broken, 74 input or output \
      failed.
      """)

  @Option(help: "ci, soak, pressure or calm.") var profile = Profile.ci
  @Option(help: "Of everything that is drawn.") var seed: UInt64 = 1
  @Option(help: .init("How long (default: as the profile says).", valueName: "minutes")) var minutes: Double?
  @Option(help: .init("Worker processes (default: as the profile says).", valueName: "count")) var workers: Int?
  @Option(help: .init("A tierd that runs (default: one of its own).", valueName: "path")) var socket: String?
  @Option(help: .init("Where tierd is (default: where tier-stress is).", valueName: "path")) var tierd: String?
  @Option(help: .init("Instead: kill -9 so many workers, and measure.", valueName: "count")) var killWorkers: Int?
  @Option(help: .init("Kill -9 tierd so many times during the run.", valueName: "count")) var killDaemon = 0
  @Flag(help: "With --kill-daemon: its memory is kept as a service manager keeps it, and nothing accepted may be lost.")
  var keepMemory = false
  @Option(
    help: .init(
      "With --kill-daemon: tier-worker reads and answers with this model, its daemon's memory kept.", valueName: "model"
    ))
  var answers: String?
  @Option(help: .init("Instead: so many hostile conversations.", valueName: "count")) var hostile: Int?
  @Option(
    help: .init(
      "Of so many reads from disk one returns a flipped bit: blocks are lost, never wrong.", valueName: "reads"))
  var damageOneReadIn: Int?
  @Flag(
    help: "With --kill-daemon: cut the tail off a segment file now and then; its blocks may be gone, and only they.")
  var cutSegments = false
  @Flag(help: "Print the result as JSON.") var json = false

  @OptionGroup var child: ChildOptions

  func validate() throws {
    guard (0.05...1440).contains(minutes ?? 1) else { throw ValidationError("--minutes: 0.05 to 1440 are possible") }
    guard (1...64).contains(workers ?? 1) else { throw ValidationError("--workers: 1 to 64 are possible") }
    guard killDaemon >= 0, (killWorkers ?? 1) > 0, (hostile ?? 1) > 0, (damageOneReadIn ?? 1) > 0 else {
      throw ValidationError("a count cannot be negative, and 0 of what is asked for is nothing to do")
    }
    if keepMemory || answers != nil, killDaemon == 0 {
      throw ValidationError("--keep-memory and --answers go with --kill-daemon")
    }
    if keepMemory, cutSegments {
      throw ValidationError("where segments are cut some of what was accepted is lost: leave --cut-segments away")
    }
    if socket != nil, killDaemon > 0 || damageOneReadIn != nil {
      throw ValidationError("only a tierd of its own is killed or damaged: leave --socket away")
    }
  }

  func run() throws {
    do {
      if let role = child.child { return try child.run(role, socket: socket ?? "", seed: seed) }
      Interruption.arm()
      try stress()
    } catch let fault as StressFault {
      writeToStandardError("tier-stress: \(fault.message)\n")
      throw ExitCode(fault.exitCode)
    }
  }

  private func stress() throws {
    let scratch = try Scratch()
    let daemon = try daemon(in: scratch)
    let (text, failures): (String, [String])
    if let answers {
      let run = try AnswerRun(
        daemon, model: answers, directory: Self.directory, scratch: scratch.path, seed: seed, workers: workers ?? 4,
        kills: killDaemon)
      let result = try run.run()
      (text, failures) = (try json ? Self.json(result) : result.text, result.failures)
    } else if let hostile {
      let seconds = minutes.map { $0 * 60 } ?? Self.hostileSecondsMax
      let result = try HostileRun(daemon, seed: seed, count: hostile, limitSeconds: seconds).run()
      (text, failures) = (try json ? Self.json(result) : result.text, result.failures)
    } else {
      let result = try run(daemon, scratch)
      (text, failures) = (try json ? Self.json(result) : StressText.text(result), result.failures)
    }
    try daemon.stop()
    print(text)
    guard failures.isEmpty else { throw ExitCode(70) }
  }

  private static let diskBytesForRestarts = 8 << 30
  private static let hostileSecondsMax = 3600.0

  private func run(_ daemon: Tierd, _ scratch: Scratch) throws -> StressResult {
    var settings = WorkerSettings(
      socketPath: daemon.socketPath, seed: seed, maxBlocks: profile.maxBlocks, lingering: profile.lingering)
    settings.falsifyOneReadIn = child.testFalsifyOneReadIn
    if killWorkers != nil { settings.lingering = 2 }
    let run = try StressRun(
      daemon, settings, profile: profile, budgets: try budgets(of: daemon), workers: workers ?? profile.workers,
      seconds: minutes.map { $0 * 60 } ?? profile.seconds, daemonKills: killDaemon, keepsMemory: keepMemory,
      cutsIn: cutSegments ? scratch.path + "/state/spill" : nil)
    return try killWorkers.map { try run.runKills($0) } ?? run.run()
  }

  private func daemon(in scratch: Scratch) throws -> Tierd {
    if let socket { return try Tierd(socketPath: socket) }
    let program = tierd ?? Self.directory + "/tierd"
    guard access(program, X_OK) == 0 else {
      throw StressFault.missing("\(program) is no program: build tierd, or name it with --tierd")
    }
    let flags = damageOneReadIn.map { ["--test-damage-one-read-in", "\($0)"] } ?? []
    var budgets = profile.budgets
    // Room for all that is durable: a full disk forgets, which no restart is to be blamed for.
    if killDaemon > 0 { budgets.diskBytes = Self.diskBytesForRestarts }
    if answers != nil { budgets = AnswerRun.budgets }
    return try Tierd(
      program: program, budgets: budgets, place: scratch.path, flags: flags,
      keepsMemory: keepMemory || answers != nil)
  }

  /// Of a daemon that was not started here: what it has now.
  private func budgets(of daemon: Tierd) throws -> Budgets {
    let tiers = try daemon.status().tiers.reduce(into: [:]) { $0[$1.name] = $1.budgetBytes }
    return Budgets(
      deviceBytes: tiers["device"] ?? 0, hostBytes: tiers["host"] ?? 0, diskBytes: tiers["disk"] ?? 0)
  }

  private static func json(_ result: some Encodable) throws -> String {
    String(decoding: try ControlJSON.encodePretty(result), as: UTF8.self)
  }

  /// Where this program is.
  private static var directory: String {
    var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
    let count = readlink("/proc/self/exe", &buffer, buffer.count)
    let path = String(decoding: buffer.prefix(max(0, count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
  }
}
