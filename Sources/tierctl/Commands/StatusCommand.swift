import ArgumentParser
import ControlAPI
import ControlClient

struct StatusCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status",
    abstract: "What is on which tier, what moved, how fast.",
    discussion: """
      EXAMPLES:
        tierctl status
        tierctl status --json
      """)

  @OptionGroup var connection: ConnectionOptions

  func run() throws {
    try reporting {
      let status = try connection.client.get(.status, as: StatusReply.self)
      try connection.show(status) { StatusView(style: .current).render($0) }
    }
  }
}
