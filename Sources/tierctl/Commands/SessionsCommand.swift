import ArgumentParser
import ControlAPI
import ControlClient

struct SessionsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sessions",
    abstract: "Which workers are connected, and what they hold.",
    discussion: """
      EXAMPLES:
        tierctl sessions
        tierctl sessions --json
      """)

  @OptionGroup var connection: ConnectionOptions

  func run() throws {
    try reporting {
      let reply = try connection.client.get(.sessions, as: SessionsReply.self)
      try connection.show(reply, SessionsView.render)
    }
  }
}
