import ControlAPI

/// `tierctl status`: one page of text.
struct StatusView {
  let style: Style
  var barWidth = 24

  func render(_ status: StatusReply) -> String {
    var parts = [headline(status), tiers(status.tiers)]
    if !status.pools.isEmpty { parts.append(pools(status.pools)) }
    if let device = status.device { parts.append(self.device(device)) }
    if let pressure = pressure(status) { parts.append(pressure) }
    if !status.tenants.isEmpty { parts.append(TenantView.render(status.tenants, style)) }
    if !status.moves.isEmpty { parts.append(moves(status.moves)) }
    parts.append(acquired(status))
    if let spill = status.spill { parts.append(self.spill(spill)) }
    if !status.latencies.isEmpty { parts.append(latencies(status.latencies)) }
    return parts.joined(separator: "\n\n")
  }

  func headline(_ status: StatusReply) -> String {
    let queued = status.sequences.queued == 0 ? "" : " (\(Numbers.count(status.sequences.queued)) queued)"
    return [
      "tierd \(status.version)", "pid \(status.pid)", "up \(Numbers.duration(status.uptimeS))",
      Numbers.plural(status.sessions, "session"), Numbers.plural(status.sequences.open, "sequence") + queued,
      Numbers.plural(status.leases, "lease"),
    ].joined(separator: ", ") + (status.draining ? ", DRAINING" : "")
  }

  func tiers(_ tiers: [TierStatus]) -> String {
    var table = Table([
      ("tier", .left), ("used", .right), ("budget", .right), ("", .left), ("full", .right), ("peak", .right),
      ("ring", .right), ("blocks", .right),
    ])
    for tier in tiers {
      table.add([
        tier.name, Numbers.bytes(tier.usedBytes), Numbers.bytes(tier.budgetBytes),
        style.bar(tier.usedBytes, of: tier.budgetBytes, width: barWidth),
        Numbers.percent(tier.usedBytes, of: tier.budgetBytes), Numbers.bytes(tier.peakBytes),
        Numbers.bytes(tier.ringBytes), Numbers.count(tier.blocks),
      ])
    }
    return table.render()
  }

  private func device(_ device: DeviceStatus) -> String {
    let free = device.freeBytes.map { "\(Numbers.bytes($0)) of \(Numbers.bytes(device.totalBytes)) free" }
    return "device: \(device.name) at \(device.pci), \(device.numaNode.map { "node \($0)" } ?? "node unknown"), budget "
      + "\(Numbers.bytes(device.budgetBytes)), \(free ?? "DOES NOT ANSWER")"
  }

  /// Nil where the host has all of its budget.
  func pressure(_ status: StatusReply) -> String? {
    guard let message = status.pressure?.message, let advice = status.pressure?.advice else { return nil }
    let host = status.tiers.first { $0.name == "host" }
    let size = host.map { "\(Numbers.bytes($0.effectiveBudgetBytes)) of \(Numbers.bytes($0.budgetBytes))" } ?? "less"
    return "MEMORY IS SHORT: \(message); the host tier may use \(size) now\nto end it, \(advice)"
  }

  private func moves(_ moves: [MoveStatus]) -> String {
    var table = Table([("moved", .left), ("blocks", .right), ("bytes", .right)])
    for move in moves {
      table.add(["\(move.from) \(style.arrow) \(move.to)", Numbers.count(move.blocks), Numbers.bytes(move.bytes)])
    }
    return table.render()
  }

  private func acquired(_ status: StatusReply) -> String {
    let all = status.hits + status.misses + status.lost
    return "acquired: \(Numbers.plural(status.hits, "hit")) (\(Numbers.percent(status.hits, of: all))), "
      + "\(Numbers.count(status.misses)) waited for, \(Numbers.count(status.lost)) lost"
  }

  private func spill(_ spill: SpillStatus) -> String {
    var text =
      "spill: \(Numbers.plural(spill.records, "record")), \(Numbers.bytes(spill.liveBytes)) live, "
      + "\(Numbers.bytes(spill.deadBytes)) dead, \(Numbers.bytes(spill.fileBytes)) in files, "
      + "compressed \(Numbers.hundredths(spill.ratio)) to 1, \(spill.health)"
    if !spill.ioEngine.isEmpty {
      text +=
        "\n       \(spill.ioEngine), \(spill.directIo ? "direct" : "through the page cache"), "
        + "\(Numbers.count(spill.queuedWrites)) to write, \(Numbers.count(spill.queuedReads)) to read"
    }
    if spill.stuckOperations > 0 { text += ", \(Numbers.plural(spill.stuckOperations, "operation")) STUCK" }
    if spill.unscannedSegments > 0 { text += ", \(Numbers.plural(spill.unscannedSegments, "segment")) to scan" }
    if spill.damagedRecords > 0 { text += ", \(Numbers.plural(spill.damagedRecords, "record")) damaged and dropped" }
    return text
  }

  private func latencies(_ latencies: [LatencyStatus]) -> String {
    var table = Table([
      ("took", .left), ("count", .right), ("p50", .right), ("p99", .right), ("most", .right),
    ])
    for latency in latencies {
      table.add([
        latency.name, Numbers.count(latency.count), Numbers.microseconds(latency.p50Us),
        Numbers.microseconds(latency.p99Us), Numbers.microseconds(latency.maxUs),
      ])
    }
    return table.render()
  }
}
