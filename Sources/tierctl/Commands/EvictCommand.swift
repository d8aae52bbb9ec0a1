import ArgumentParser
import ControlAPI
import ControlClient

struct EvictCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "evict",
    abstract: "Move blocks out of memory, or drop them. Leased blocks stay.",
    discussion: """
      EXAMPLES:
        tierctl evict --unplanned             what no sequence plans to use
        tierctl evict --unleased --to disk    all that can leave memory
        tierctl evict --key 3fa9 --to gone    out of every tier
      """)

  @OptionGroup var connection: ConnectionOptions

  @Flag(help: "Every block without a lease.")
  var unleased = false

  @Flag(help: "Every block without a lease that no open sequence plans to use.")
  var unplanned = false

  @Option(help: .init("The blocks whose id starts so.", valueName: "hex"))
  var key: String?

  @Option(
    help: .init("disk: still to be had from there. gone: dropped.", valueName: "disk|gone"), transform: Self.destination
  )
  var to = EvictRequest.Destination.disk

  private static func destination(_ text: String) throws -> EvictRequest.Destination {
    guard let destination = EvictRequest.Destination(rawValue: text) else {
      throw ValidationError("blocks go to 'disk' or 'gone'")
    }
    return destination
  }

  private func request() throws -> EvictRequest {
    switch (unleased, unplanned, key) {
    case (true, false, nil): return EvictRequest(what: .unleased, to: to)
    case (false, true, nil): return EvictRequest(what: .unplanned, to: to)
    case (false, false, let key?):
      guard let prefix = KeyPrefix(key) else { throw ValidationError("--key is 1 to 64 hexadecimal digits") }
      return EvictRequest(what: .key, key: prefix, to: to)
    default: throw ValidationError("say which blocks, in one way: --unleased, --unplanned or --key")
    }
  }

  func validate() throws { _ = try request() }

  func run() throws {
    let request = try request()
    try reporting {
      let reply = try connection.client.post(.evict, request, as: EvictReply.self, extraMs: 25_000)
      try connection.show(reply) { ChangeViews.render($0, to: request.to) }
    }
  }
}
