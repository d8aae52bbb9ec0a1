import ArgumentParser
import ControlAPI

@main
struct Tierctl: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tierctl",
    abstract: "See what tierd holds, and steer it.",
    discussion: """
      EXAMPLES:
        tierctl status                          what is on which tier, what moved
        tierctl top                             the same, live, with rates
        tierctl set --host-budget 2GiB          while it runs
        tierctl verify --rate 100MB/s           every block on disk, beside other work
        tierctl trace run.json                  what a run moved and waited for
        tierctl --json status | jq .tiers
        tierctl --socket /tmp/t/control.sock sessions

      EXIT CODES: 0 fine, 64 usage, 69 the daemon is not there, 70 a bug, 74 damage on disk, 75 try again later, 77 not allowed.
      """,
    version: ProjectVersion.text,
    subcommands: [
      StatusCommand.self, TopCommand.self, BlocksCommand.self, SessionsCommand.self, SetCommand.self,
      EvictCommand.self, DrainCommand.self, VerifyCommand.self, TraceCommand.self, RecommendCommand.self,
    ])

  @OptionGroup var connection: ConnectionOptions
}
