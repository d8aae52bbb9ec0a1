import ArgumentParser
import FoundationEssentials
import Glibc

@main
struct TierBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tier-bench",
    abstract: "Measures tierd and tier-worker: each figure beside its target.",
    discussion: """
      Ratios are medians of runs that alternate within one command. Figures go to a JSON file too; a run of some groups \
      replaces theirs there and keeps the others'. A figure that misses its target is no failure of the run.

      EXAMPLES:
        make bench                       every group, and installs what they need
        make bench ONLY=latency          one group
        make bench ONLY=prefill,tiering  two
        tier-bench --list                says which groups there are
        tier-bench --only prefill --pairs 7 --threads 4

      EXIT CODES: 0 everything ran (targets met or not), 64 usage, 69 something is missing, 70 a program under test \
      failed, 74 input or output failed.
      """)

  @Option(help: .init("The groups to run, a comma list (default: all).", valueName: "groups"))
  var only: String?

  @Flag(help: "Say which groups there are; run nothing.")
  var list = false

  @Flag(help: .init("Say what the groups need, as targets of the Makefile; run nothing.", visibility: .hidden))
  var needs = false

  @Option(help: .init("The model, a .gguf file.", valueName: "path"))
  var model = ".build/models/SmolLM2-135M-Instruct.Q4_1.gguf"

  @Option(help: .init("A long real text to read.", valueName: "file"))
  var text = "/usr/share/common-licenses/GPL-3"

  @Option(help: .init("Where tierd and tier-worker are (default: where tier-bench is).", valueName: "dir"))
  var programs: String?

  @Option(help: .init("The Python that has torch and Transformers.", valueName: "path"))
  var python = ".build/venv/bin/python3"

  @Option(help: .init("Threads each side computes on.", valueName: "threads"))
  var threads = 2

  @Option(help: .init("Pairs of alternating runs (default: as many as the group says).", valueName: "pairs"))
  var pairs: Int?

  @Option(help: .init("Where the figures are kept.", valueName: "file"))
  var output = ".build/bench.json"

  func run() throws {
    do {
      let groups = try BenchmarkGroups.named(only)
      if list {
        for group in groups { print(group.name.padded(to: 14) + group.summary) }
      } else if needs {
        let needed = Set(groups.flatMap { $0.needs })
        for need in BenchmarkNeed.allCases where needed.contains(need) { print(need.rawValue) }
      } else {
        try measure(groups)
      }
    } catch let fault as BenchFault {
      Interruption.waitIfStopping()
      writeToStandardError("tier-bench: \(fault.message)\n")
      throw ExitCode(fault.exitCode)
    }
  }

  /// Runs each group; one that cannot run does not keep the others from it.
  private func measure(_ groups: [any BenchmarkGroup.Type]) throws {
    guard (1...256).contains(threads) else { throw BenchFault.usage("--threads \(threads): 1 to 256 are possible") }
    guard (1...1000).contains(pairs ?? 1) else { throw BenchFault.usage("--pairs \(pairs!): 1 to 1000 are possible") }
    let scratch = try ScratchDirectory()
    defer { scratch.remove() }
    try Interruption.arm(scratch)
    let file = try FigureFile(path: output)
    var firstFault: BenchFault?
    for group in groups {
      let bench = bench(scratch, ProgressLine(label: group.name))
      do {
        defer { bench.progress.clear() }
        if let share = MachineLoad.othersShare(), share > 0.1 {
          bench.note("other programs take \(Int(share * 100)) % of the processors: figures are less sure")
        }
        let figures = try group.init().run(bench)
        bench.progress.clear()
        print(FigureTable.text(group: group.name, figures))
        try file.replace(group: group.name, figures, command: command(group.name))
      } catch let fault as BenchFault {
        Interruption.waitIfStopping()
        writeToStandardError("tier-bench: \(group.name) could not run: \(fault.message)\n")
        firstFault = firstFault ?? fault
      }
    }
    if file.isWritten { print("figures are in \(output)") }
    if let firstFault { throw ExitCode(firstFault.exitCode) }
  }

  private func bench(_ scratch: ScratchDirectory, _ progress: ProgressLine) -> Bench {
    Bench(
      programs: programs ?? ScratchDirectory.ofThisProgram, model: model, text: text, python: python,
      pythonScript: "Sources/tier-bench/transformers_prefill.py",
      tieredScript: "Sources/tier-bench/transformers_tiered.py", threads: threads, pairs: pairs, scratch: scratch,
      progress: progress)
  }

  /// The command that measures one group again as it was measured now.
  private func command(_ group: String) -> String {
    var words = ["tier-bench", "--only", group]
    var arguments = CommandLine.arguments.dropFirst()[...]
    while let argument = arguments.popFirst() {
      if argument == "--only" {
        arguments = arguments.dropFirst()
      } else if !argument.hasPrefix("--only=") {
        words.append(argument)
      }
    }
    return words.joined(separator: " ")
  }
}

func writeToStandardError(_ text: String) {
  var text = text
  text.withUTF8 { _ = write(STDERR_FILENO, $0.baseAddress, $0.count) }
}
