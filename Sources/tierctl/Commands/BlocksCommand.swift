import ArgumentParser
import ControlAPI
import ControlClient

struct BlocksCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "blocks",
    abstract: "Which blocks there are, and where.",
    discussion: """
      EXAMPLES:
        tierctl blocks --tier host --limit 20
        tierctl blocks --layer 0 --key 3fa9
        tierctl blocks --after NEXT              the page after; NEXT is printed below a page
      """)

  @OptionGroup var connection: ConnectionOptions

  @Option(help: .init("Only blocks on this tier: device, host or disk.", valueName: "tier"))
  var tier: String?

  @Option(help: .init("Only blocks of this layer.", valueName: "n"))
  var layer: UInt16?

  @Option(help: .init("Only blocks whose id starts so.", valueName: "hex"))
  var key: String?

  @Option(help: .init("At most this many, up to \(BlocksQuery.maxLimit).", valueName: "n"))
  var limit = BlocksQuery.defaultLimit

  @Option(help: .init("Go on after the page that ended so.", valueName: "next"))
  var after: String?

  func validate() throws {
    guard (1...BlocksQuery.maxLimit).contains(limit) else {
      throw ValidationError("--limit is a number from 1 to \(BlocksQuery.maxLimit)")
    }
  }

  func run() throws {
    try reporting {
      let query = [
        ("tier", tier), ("layer", layer.map(String.init)), ("key", key), ("after", after), ("limit", "\(limit)"),
      ].compactMap { name, value in value.map { (name, $0) } }
      let reply = try connection.client.get(.blocks, query: query, as: BlocksReply.self)
      try connection.show(reply, BlocksView.render)
    }
  }
}
