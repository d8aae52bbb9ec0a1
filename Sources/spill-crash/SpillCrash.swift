import ArgumentParser
import Glibc
import TierSpill
import TierTesting

@main
struct SpillCrash: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "spill-crash",
    abstract: "Kills a process that writes, reads and forgets blocks, again and again, and reads everything back.",
    discussion: """
      A child works on a spill under load and says what it was told is durable; it is killed (SIGKILL) at a random instant,
      now and then while it recovers; the spill is opened again and every block read. Bytes that are wrong, a durable block
      that is missing, and files beyond the cap are failures. Exits 70 where there was one, and keeps the directory.

      EXAMPLES:
        spill-crash --runs 300
        spill-crash --runs 1 --seed 4711
      """)

  @Option(help: "How many times to kill.") var runs = 300
  @Option(help: "Of the random instants and of the load; each run adds one.") var seed: UInt64 = 1
  @Option(help: .init("Where the spill is (default: a new directory, removed at the end).", valueName: "dir"))
  var directory: String?
  @Flag(help: .hidden) var child = false

  func run() throws {
    if child {
      try CrashLoad(directory: directory ?? ".", seed: seed).run()
      return
    }
    let place = try directory ?? Self.makeDirectory()
    var trial = CrashTrial(directory: place + "/spill")
    for index in 0..<runs {
      try trial.run(seed: seed + UInt64(index))
      guard trial.problems.isEmpty else {
        print("FAILED in run \(index + 1), seed \(seed + UInt64(index)):")
        for problem in trial.problems.prefix(20) { print("  " + problem) }
        print("the files are in \(place)")
        throw ExitCode(70)
      }
    }
    print(
      "\(runs) kills, \(trial.killsInRecovery) of them during recovery: \(trial.durableBlocks) blocks were durable at a "
        + "kill and are all there, \(trial.blocksRead) blocks read back, no wrong byte, never beyond the cap")
    trial.removeFiles()
    if directory == nil { rmdir(place) }
  }

  private static func makeDirectory() throws -> String {
    var template = Array("/var/tmp/spill-crash.XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw ValidationError("no directory can be made in /var/tmp") }
    return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}

/// What both sides of the crash know.
enum CrashWorld {
  static let capBytes = 24 << 20
  /// Each writer has keys of its own, so that what it says of them comes in order.
  static let writers = 2
  static let keys = 1200

  static func options() -> SpillOptions {
    var options = SpillOptions()
    // Small, so that segments are sealed, reclaimed and removed all the time.
    options.segmentBytes = 1 << 20
    return options
  }
}
