import ControlAPI

/// What others named themselves must not steer the terminal.
func printable(_ text: String) -> String {
  String(
    text.unicodeScalars.prefix(64).map { $0.value < 0x20 || (0x7f..<0xa0).contains($0.value) ? "?" : Character($0) })
}

/// `tierctl blocks`
enum BlocksView {
  /// Enough of an id to tell blocks apart, and to give to `--key`.
  private static let keyDigits = 16

  static func render(_ reply: BlocksReply) -> String {
    var table = Table([
      ("tenant", .right), ("key", .left), ("layer", .right), ("tiers", .left), ("bytes", .right),
      ("leases", .right), ("durable", .left),
    ])
    for block in reply.blocks {
      table.add([
        "\(block.tenant)", String(block.key.prefix(keyDigits)), "\(block.layer)", block.tiers.joined(separator: "+"),
        Numbers.bytes(block.bytes), Numbers.count(block.leases), block.durable ? "yes" : "no",
      ])
    }
    let shown = "\(Numbers.count(reply.blocks.count)) of \(Numbers.plural(reply.total, "block"))"
    let more = reply.next.map { "; more with --after \($0)" } ?? ""
    return reply.blocks.isEmpty ? shown : table.render() + "\n" + shown + more
  }
}

/// `tierctl sessions`
enum SessionsView {
  static func render(_ reply: SessionsReply) -> String {
    guard !reply.sessions.isEmpty else { return "no workers are connected" }
    var table = Table([
      ("session", .right), ("client", .left), ("tenant", .left), ("uid", .right), ("pid", .right),
      ("connected", .right),
      ("sequences", .right), ("queued", .right), ("leases", .right), ("staged", .right),
    ])
    for session in reply.sessions {
      table.add([
        "\(session.id)", printable(session.client), printable(session.tenant), "\(session.uid)", "\(session.pid)",
        Numbers.duration(session.connectedS), Numbers.count(session.sequences.open),
        Numbers.count(session.sequences.queued), Numbers.count(session.leases), Numbers.count(session.staged),
      ])
    }
    return table.render()
  }
}
