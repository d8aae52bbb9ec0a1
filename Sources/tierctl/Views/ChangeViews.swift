import ControlAPI

/// What `set`, `evict` and `drain` did, in a line or a table.
enum ChangeViews {
  static func render(_ reply: SetReply) -> String {
    var table = Table([("tier", .left), ("budget", .right), ("used", .right), ("", .left)])
    for tier in reply.tiers {
      let over = tier.usedBytes - tier.budgetBytes
      table.add([
        tier.name, Numbers.bytes(tier.budgetBytes), Numbers.bytes(tier.usedBytes),
        over > 0 ? "\(Numbers.bytes(over)) still to leave" : "",
      ])
    }
    return table.render()
  }

  static func render(_ reply: EvictReply, to destination: EvictRequest.Destination) -> String {
    let verb = destination == .disk ? "left memory" : "dropped"
    var text = "\(Numbers.plural(reply.blocks, "block")) \(verb), \(Numbers.bytes(reply.bytes)) freed"
    if reply.pendingBlocks > 0 { text += "; \(Numbers.count(reply.pendingBlocks)) more once they are on disk" }
    if reply.busyBlocks > 0 { text += "; \(Numbers.count(reply.busyBlocks)) stay: leased or on the move" }
    return text
  }

  static func render(_ reply: DrainReply) -> String {
    reply.drained
      ? "drained in \(Numbers.microseconds(Double(reply.elapsedMs) * 1000)): no sequence is open, all that is kept is on disk"
      : progress(reply)
  }

  static func progress(_ reply: DrainReply) -> String {
    "draining: \(Numbers.plural(reply.sequencesOpen, "sequence")) open, "
      + "\(Numbers.plural(reply.dirtyBlocks, "block")) to write"
  }

  static func render(_ reply: VerificationReply) -> String {
    var lines = [
      "\(Numbers.plural(reply.verifiedRecords, "record")) verified, \(Numbers.bytes(reply.verifiedBytes)) on disk, in "
        + Numbers.microseconds(Double(reply.elapsedMs) * 1000)
    ]
    if reply.goneRecords > 0 { lines.append("\(Numbers.count(reply.goneRecords)) were let go meanwhile") }
    if reply.unreadableRecords > 0 {
      lines.append("\(Numbers.count(reply.unreadableRecords)) could not be read: the daemon's log says why")
    }
    if reply.damagedRecords > 0 {
      lines.append("\(Numbers.plural(reply.damagedRecords, "record")) DAMAGED and dropped:")
      lines += reply.damage.map { "  \($0.key.prefix(16)) layer \($0.layer) of tenant \($0.tenant): \($0.why)" }
    } else if reply.unreadableRecords == 0 {
      lines.append("no damage")
    }
    return lines.joined(separator: "\n")
  }

  static func progress(_ reply: VerificationReply) -> String {
    let done = reply.verifiedRecords + reply.goneRecords + reply.unreadableRecords + reply.damagedRecords
    return "verifying: \(Numbers.count(done)) of \(Numbers.plural(reply.records, "record")), "
      + "\(Numbers.percent(done, of: reply.records)), \(Numbers.count(reply.damagedRecords)) damaged"
  }
}
