import TierTrace

enum TraceView {
  static func render(_ summary: TraceSummary) -> String {
    var links = Table([
      ("link", .left), ("moves", .right), ("size", .right), ("busy", .right), ("behind compute", .right),
      ("failed", .right),
    ])
    for link in summary.links {
      links.add([
        link.name, Numbers.count(link.moves), Numbers.bytes(link.bytes), Numbers.tenths(link.busyMs) + " ms",
        Numbers.tenths(link.hiddenPercent) + " %", Numbers.count(link.failed),
      ])
    }
    var waits = Table([("waited for", .left), ("waits", .right), ("time", .right)])
    for wait in summary.waits {
      waits.add([wait.cause, Numbers.count(wait.waits), Numbers.tenths(wait.ms) + " ms"])
    }
    var parts = [links.render(), waits.render(), "computed \(Numbers.tenths(summary.computeMs)) ms"]
    if summary.droppedMoves > 0 {
      parts.append("\(Numbers.plural(summary.droppedMoves, "move")) not recorded: the links' figures lack them")
    }
    if !summary.isComplete { parts.append("the run was ended before its trace was") }
    return parts.joined(separator: "\n\n")
  }
}
