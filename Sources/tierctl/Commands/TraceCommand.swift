import ArgumentParser
import FoundationEssentials
import TierTrace

struct TraceCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "trace",
    abstract: "What a trace of tier-worker says, in a table.",
    discussion: """
      Works without a daemon. By link: what moved, how long the link was busy, and how much of that the worker computed in.
      Then what the worker waited for. The file itself opens in Perfetto.

      EXAMPLES:
        tier-worker run --model SmolLM2.gguf --prompt-file book.txt --trace run.json
        tierctl trace run.json
      """)

  @OptionGroup var connection: ConnectionOptions

  @Argument(help: "A file that tier-worker run --trace wrote.")
  var file: String

  func run() throws {
    guard let data = FileManager.default.contents(atPath: file) else {
      writeToStandardError("tierctl: cannot read \(file): is it there, and yours to read?\n")
      throw ExitCode(74)
    }
    let trace: TraceEvents
    do {
      trace = try TraceEvents(data)
    } catch {
      writeToStandardError("tierctl: \(file) is no trace that tier-worker wrote\n")
      throw ExitCode(64)
    }
    try connection.show(TraceSummary(trace), TraceView.render)
  }
}
