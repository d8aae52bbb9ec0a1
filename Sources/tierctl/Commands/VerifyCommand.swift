import ArgumentParser
import ControlAPI
import ControlClient
import Glibc
import TierCore

struct VerifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Read every block on disk and verify it, while the daemon works.",
    discussion: """
      What does not verify is dropped and computed again when it is wanted. Exits 74 where there was any. Interrupted, the
      verification goes on in the daemon; asking again shows it.

      EXAMPLES:
        tierctl verify                          as fast as the disk is
        tierctl verify --rate 100MB/s           beside other work
        tierctl --json verify | jq .damage
      """)

  @OptionGroup var connection: ConnectionOptions

  @Option(help: .init("Bytes of disk a second at most.", valueName: "size/s"))
  var rate: String?

  private var rateBytes: Int? { rate.flatMap { ByteCount.parse($0.hasSuffix("/s") ? String($0.dropLast(2)) : $0) } }

  func validate() throws {
    guard rate == nil || (rateBytes ?? 0) > 0 else {
      throw ValidationError("--rate \(rate!) is no rate: write it as 100MB/s")
    }
  }

  func run() throws {
    try reporting {
      var reply = try connection.client.post(
        .verify, VerifyRequest(rateBytesPerS: rateBytes), as: VerificationReply.self)
      let isTerminal = isatty(STDERR_FILENO) == 1
      while reply.running {
        if isTerminal { writeToStandardError("\r\(ChangeViews.progress(reply))\u{1b}[K") }
        usleep(200_000)
        reply = try connection.client.get(.verification, as: VerificationReply.self)
      }
      if isTerminal { writeToStandardError("\r\u{1b}[K") }
      try connection.show(reply, ChangeViews.render)
      if reply.damagedRecords > 0 || reply.unreadableRecords > 0 { throw ExitCode(74) }
    }
  }
}
