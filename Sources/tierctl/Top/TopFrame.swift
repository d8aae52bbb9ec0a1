import ControlAPI

/// What happened between two readings of the same daemon's counters.
struct TopFrame {
  let now: StatusReply
  private let before: StatusReply?
  private let seconds: Double

  /// Rates are those between the readings; there are none before the second one, nor across a restart.
  init(now: StatusReply, before: StatusReply?, seconds: Double) {
    self.now = now
    self.before = before.flatMap { $0.instance == now.instance && seconds > 0 ? $0 : nil }
    self.seconds = seconds
  }

  func render(_ style: Style) -> String {
    let view = StatusView(style: style)
    let moved = now.moves.isEmpty ? [] : [links(style)]
    let pressure = view.pressure(now).map { [$0] } ?? []
    let tenants = now.tenants.isEmpty ? [] : [TenantView.render(now.tenants, style)]
    return ([view.headline(now), view.tiers(now.tiers)] + pressure + tenants + moved + [acquired()]).joined(
      separator: "\n\n")
  }

  private func links(_ style: Style) -> String {
    var table = Table([
      ("link", .left), ("bytes/s", .right), ("blocks/s", .right), ("bytes in all", .right), ("blocks in all", .right),
    ])
    for move in now.moves {
      let old = before?.moves.first { $0.from == move.from && $0.to == move.to }
      table.add([
        "\(move.from) \(style.arrow) \(move.to)", byteRate(move.bytes, since: old?.bytes),
        rate(move.blocks, since: old?.blocks), Numbers.bytes(move.bytes), Numbers.count(move.blocks),
      ])
    }
    return table.render()
  }

  private func acquired() -> String {
    guard let before else { return "acquired: –" }
    let (hits, misses, lost) = (now.hits - before.hits, now.misses - before.misses, now.lost - before.lost)
    return "acquired/s: \(rate(now.hits, since: before.hits)) hits "
      + "(\(Numbers.percent(hits, of: hits + misses + lost))), \(rate(now.misses, since: before.misses)) waited for, "
      + "\(rate(now.lost, since: before.lost)) lost"
  }

  private func rate(_ value: Int, since old: Int?) -> String {
    guard before != nil else { return "–" }
    return Numbers.count(Int((Double(max(0, value - (old ?? 0))) / seconds).rounded()))
  }

  private func byteRate(_ value: Int, since old: Int?) -> String {
    guard before != nil else { return "–" }
    return Numbers.bytes(Int(Double(max(0, value - (old ?? 0))) / seconds))
  }
}
