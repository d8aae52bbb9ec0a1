import Glibc
import TierTesting

/// kill -9 of workers, again and again, at random instants of their work: what each held is free at once, and nothing is
/// left over.
extension StressRun {
  /// Rounds before figures are compared: arenas, lanes and pools are all there then.
  private static let warmupKills = 20

  func runKills(_ count: Int) throws(StressFault) -> StressResult {
    while result.kills < Self.warmupKills { try killOne() }
    let start = try tierd.reading()
    var peak = start
    var own: [Int] = []
    while result.kills < Self.warmupKills + count, fleet.failures.count < 10, !Interruption.isAsked {
      try killOne()
      let reading = try tierd.reading()
      peak = peak.peak(reading)
      own.append(reading.ownBytes)
      showKills(of: Self.warmupKills + count, reading)
    }
    fleet.end()
    try concludeKills(start, peak, own)
    return result
  }

  private func killOne() throws(StressFault) {
    // At any moment of a worker's work: some have only begun, others hold leases and unsealed slots.
    let waitNs = Int64(random.int(1...60)) * 1_000_000
    let startNs = Clock.nowNs()
    repeat {
      try tierd.requireRunning()
      try fleet.attend()
      fleet.reap()
      usleep(1000)
    } while Clock.nowNs() - startNs < waitNs
    try killWorker()
  }

  private func concludeKills(
    _ start: ProcessReading, _ peak: ProcessReading, _ own: [Int]
  ) throws(StressFault) {
    try conclude()
    result.daemon.start = start
    result.daemon.peak = peak
    let quarter = max(1, own.count / 4)
    result.daemon.ownBytesEarly = own.dropFirst(quarter).prefix(quarter).reduce(0, +) / quarter
    result.daemon.ownBytesLate = own.suffix(quarter).reduce(0, +) / quarter
    judge()
  }
}
