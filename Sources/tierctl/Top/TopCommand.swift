import ArgumentParser
import ControlAPI
import ControlClient
import Glibc

struct TopCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "top",
    abstract: "Tiers and links, live. q or Ctrl-C ends it.",
    discussion: """
      On a pipe it prints one frame, with the rates of one interval.

      EXAMPLES:
        tierctl top
        tierctl top --interval 5
        tierctl top --json                      one reading of the counters
      """)

  @OptionGroup var connection: ConnectionOptions

  @Option(help: .init("How often to look.", valueName: "seconds"))
  var interval = 1.0

  func validate() throws {
    guard (0.1...3600).contains(interval) else { throw ValidationError("--interval is 0.1 to 3600 seconds") }
  }

  func run() throws {
    try reporting {
      let first = try reading()
      if connection.json { return try connection.show(first.status) { _ in "" } }
      guard let terminal = Terminal() else { return try printFrame(after: first) }
      defer { terminal.restore() }
      redraw(terminal, first)
    }
  }

  private typealias Reading = (status: StatusReply, at: ContinuousClock.Instant)

  private func reading() throws(ControlClientError) -> Reading {
    (try connection.client.get(.status, as: StatusReply.self), .now)
  }

  private func frame(_ now: Reading, after before: Reading?) -> TopFrame {
    TopFrame(
      now: now.status, before: before?.status, seconds: before.map { (now.at - $0.at) / .seconds(1) } ?? 0)
  }

  private func printFrame(after first: Reading) throws {
    usleep(UInt32(min(interval * 1e6, 4e9)))
    print(frame(try reading(), after: first).render(.current))
  }

  /// Until the user has seen enough. A daemon that is away for a while is waited for.
  private func redraw(_ terminal: Terminal, _ first: Reading) {
    var before: Reading? = first
    terminal.draw(frame(first, after: nil).render(.current))
    var next = ContinuousClock.now + .seconds(interval)
    while !terminal.isStopped(by: next) {
      next = max(next + .seconds(interval), .now)
      do {
        let now = try reading()
        terminal.draw(frame(now, after: before).render(.current))
        before = now
      } catch {
        before = nil
        terminal.draw("\(error.message)\n\nWaiting for it; q ends.")
      }
    }
  }
}
