/// What makes a run a failure.
extension StressRun {
  /// What own memory may grow by from the second quarter of a run to its last: the noise of a heap in use.
  private static let growthBytesMax = 6 << 20
  /// Shorter runs are all warm-up.
  private static let flatAfterSeconds = 60.0
  private static let pauseMsMax = 100.0
  /// Of fewer the p99 is the worst, which says more of the machine's scheduling than of the daemon.
  private static let pauseSamplesMin = 200

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
    result.keepsMemory = keepsMemory
    require(
      result.acceptedLostByRestart == 0 || !keepsMemory,
      "\(result.acceptedLostByRestart) blocks were accepted before the daemon was killed, and its memory kept, and are lost"
    )
    require(
      result.reconnects < Self.pauseSamplesMin || !keepsMemory || result.outagesOverSecond * 100 <= result.reconnects,
      "\(result.outagesOverSecond) of \(result.reconnects) workers were without their daemon for more than a second")
    require(result.leaksAtEnd.isNone, "with no worker left the daemon holds \(result.leaksAtEnd)")
    let pause = result.pauseAfterKill
    require(
      pause.p99Ms <= Self.pauseMsMax || pause.samples < Self.pauseSamplesMin,
      "a killed worker's leases and slots were free only after \(pause.p99Ms) ms (p99), at most \(pause.maxMs) ms")
    require(
      result.daemonKills > 0 || result.reconnects == 0, "\(result.reconnects) workers lost a daemon that nobody killed")
    judgeDaemon()
  }

  private func judgeDaemon() {
    let daemon = result.daemon
    let growth = daemon.ownBytesLate - daemon.ownBytesEarly
    require(
      result.seconds < Self.flatAfterSeconds || growth <= Self.growthBytesMax,
      "the daemon's own memory grew by \(growth >> 10) KiB from the second quarter of the run to the last")
    // The control socket answers one connection at a time while this reads.
    // Arenas and their descriptors stay; a daemon that began anew in a short run may not have had all of them when counted.
    require(
      (result.daemonKills > 0 && result.seconds < Self.flatAfterSeconds)
        || daemon.end.fds <= daemon.start.fds + Self.fdsMore,
      "the daemon has \(daemon.end.fds) descriptors open with no worker left, with all of them it were \(daemon.start.fds)"
    )
    require(
      daemon.end.threads <= daemon.start.threads + Self.threadsMore,
      "the daemon has \(daemon.end.threads) threads with no worker left, with all of them it were \(daemon.start.threads)"
    )
  }

  private static let fdsMore = 2
  /// Pools make their threads when they first need them.
  private static let threadsMore = 8

  private func require(_ isSo: Bool, _ failure: @autoclosure () -> String) {
    if !isSo { result.failures.append(failure()) }
  }
}
