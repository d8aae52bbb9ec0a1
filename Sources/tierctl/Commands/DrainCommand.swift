import ArgumentParser
import ControlAPI
import ControlClient
import Glibc

struct DrainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "drain",
    abstract: "Take no new sequences, and wait for the open ones to finish.",
    discussion: """
      Exits 75 where the deadline passes first; the daemon stays draining, and asking again goes on waiting.

      EXAMPLES:
        tierctl drain                           wait half a minute at most
        tierctl drain --deadline 600            ten minutes
        tierctl drain --deadline 0              begin, and do not wait
      """)

  @OptionGroup var connection: ConnectionOptions

  @Option(help: .init("How long to wait.", valueName: "seconds"))
  var deadline = 30

  func validate() throws {
    guard (0...86_400).contains(deadline) else { throw ValidationError("--deadline is 0 to 86400 seconds") }
  }

  func run() throws {
    try reporting {
      let start = ContinuousClock.now
      let end = start + .seconds(deadline)
      var reply: DrainReply
      repeat {
        // Short requests, so that there is something to show between them.
        let turnMs = max(0, min(1000, Int((end - .now) / .milliseconds(1))))
        reply = try connection.client.post(
          .drain, DrainRequest(deadlineMs: turnMs), as: DrainReply.self, extraMs: turnMs)
        if !reply.drained, isatty(STDERR_FILENO) == 1 {
          writeToStandardError("\r\(ChangeViews.progress(reply))\u{1b}[K")
        }
      } while !reply.drained && ContinuousClock.now < end
      if isatty(STDERR_FILENO) == 1 { writeToStandardError("\r\u{1b}[K") }
      reply.elapsedMs = Int((ContinuousClock.now - start) / .milliseconds(1))
      try connection.show(reply, ChangeViews.render)
      if !reply.drained && deadline > 0 { throw ExitCode(75) }
    }
  }
}
