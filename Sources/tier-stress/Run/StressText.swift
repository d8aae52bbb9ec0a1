import TierCore

/// The result for people.
enum StressText {
  static func text(_ r: StressResult) -> String {
    let d = r.daemon
    let lines = [
      "\(r.profile), seed \(r.seed): \(Int(r.seconds)) s, \(r.workers) workers, \(r.sequences) sequences, "
        + "\(r.refusals) refused",
      "blocks: \(r.blocksWritten) written, \(r.blocksRead) read, \(ByteCount.text(r.bytesVerified)) verified: "
        + "\(r.wrongBlocks) wrong, \(r.lostBlocks) lost, \(r.missedBlocks) filled again",
      "faults: \(r.kills) workers killed (\(r.killsHolding) with leases or unsealed slots), \(r.stops) stopped, "
        + "\(r.abruptEnds) left, \(r.budgetChanges) budgets changed, \(r.evictions) evictions, "
        + "\(r.damagedRecords) records damaged",
      "free after a kill: p50 \(r.pauseAfterKill.p50Ms) ms, p99 \(r.pauseAfterKill.p99Ms) ms, "
        + "at most \(r.pauseAfterKill.maxMs) ms",
      "daemon killed \(r.daemonKills) times\(r.keepsMemory ? ", its memory kept" : ""): \(r.reconnects) reconnects, at most "
        + "\(r.outageMsMax) ms (\(r.outagesOverSecond) over 1000 ms), next life there after at most \(r.startMsMax) ms; "
        + "\(r.durableLostByRestart) durable and \(r.acceptedLostByRestart) accepted blocks lost",
      "daemon: RSS \(d.start.rssBytes >> 20) → \(d.end.rssBytes >> 20) MiB (peak \(d.peak.rssBytes >> 20)), its own "
        + "\(d.ownBytesEarly >> 10) → \(d.ownBytesLate >> 10) KiB, descriptors \(d.start.fds) → \(d.end.fds), threads "
        + "\(d.start.threads) → \(d.end.threads)",
      "left at the end: \(r.leaksAtEnd.sessions) sessions, \(r.leaksAtEnd.leases) leases, "
        + "\(r.leaksAtEnd.stagedBytes) bytes of staging",
    ]
    return (lines + r.failures.map { "FAILED: \($0)" }).joined(separator: "\n")
  }
}
