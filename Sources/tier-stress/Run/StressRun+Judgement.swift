/// What makes a run a failure.
extension StressRun {
  /// What own memory may grow by from the second quarter of a run to its last: the noise of a heap in use.
  private static let growthBytesMax = 6 << 20
  /// Shorter runs are all warm-up.
  private static let flatAfterSeconds = 60.0
  static let pauseMsMax = 100.0

  func judge() {
    require(result.sequences > 0, "no sequence was read to its end")
    require(result.wrongBlocks == 0, "\(result.wrongBlocks) blocks had wrong bytes")
    // A damaged record costs its block, and only that.
    require(
      result.lostBlocks == 0 || result.damagedRecords > 0,
      "\(result.lostBlocks) blocks of open sequences were lost, and nothing was damaged")
    require(
      result.durableLostByRestart == 0 || result.truncatedSegments > 0,
      "\(result.durableLostByRestart) blocks were on disk for good before the daemon was killed, and not after")
    require(result.leaksAtEnd.isNone, "with no worker left the daemon holds \(result.leaksAtEnd)")
    require(
      result.pauseAfterKill.maxMs <= Self.pauseMsMax,
      "a killed worker's leases and slots were free only after \(result.pauseAfterKill.maxMs) ms")
    judgeDaemon()
  }

  private func judgeDaemon() {
    let daemon = result.daemon
    let growth = daemon.ownBytesLate - daemon.ownBytesEarly
    require(
      result.seconds < Self.flatAfterSeconds || growth <= Self.growthBytesMax,
      "the daemon's own memory grew by \(growth >> 10) KiB from the second quarter of the run to the last")
    // A segment file more or less is open at any moment; a worker's connection is not.
    require(
      daemon.end.fds <= daemon.start.fds + Self.segmentFdsMax,
      "the daemon has \(daemon.end.fds) descriptors open with no worker left, with all of them it were \(daemon.start.fds)"
    )
    require(
      daemon.end.threads <= daemon.start.threads,
      "the daemon has \(daemon.end.threads) threads with no worker left, with all of them it were \(daemon.start.threads)"
    )
  }

  private static let segmentFdsMax = 8

  private func require(_ isSo: Bool, _ failure: @autoclosure () -> String) {
    if !isSo { result.failures.append(failure()) }
  }
}
