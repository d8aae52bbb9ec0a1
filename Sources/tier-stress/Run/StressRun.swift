import ControlAPI
import Glibc
import TierTesting

/// A run: workers that read and write, and everything that happens to them, until the time is up.
final class StressRun {
  let tierd: Tierd
  let profile: Profile
  let seconds: Double
  let budgets: Budgets
  var random: SeededRandom
  var result = StressResult()
  let fleet: Fleet
  var pausesMs: [Double] = []
  private var samples: [(atS: Double, reading: ProcessReading)] = []
  private let startNs = Clock.nowNs()
  private var lifeNs = Clock.nowNs()
  /// Of the daemon: each kill comes at another moment of its life.
  private var lifeMsMin = 0.0
  private let progress: ProgressLine
  /// Of the daemon; spread over the run.
  let daemonKills: Int
  /// Over its kills.
  let keepsMemory: Bool
  /// Where a daemon's segments are that is killed, if some are to be cut short then.
  private let spill: String?

  /// How long after its last worker the daemon may take to have let everything go.
  private static let quietSecondsMax = 5.0
  private static let tickUs: UInt32 = 10_000
  private static let failuresMax = 10
  private static let cutOneIn = 4

  init(
    _ tierd: Tierd, _ settings: WorkerSettings, profile: Profile, budgets: Budgets, workers: Int, seconds: Double,
    daemonKills: Int, keepsMemory: Bool = false, cutsIn spill: String?
  ) throws(StressFault) {
    self.tierd = tierd
    self.profile = profile
    self.budgets = budgets
    self.seconds = seconds
    self.daemonKills = daemonKills
    self.keepsMemory = keepsMemory
    self.spill = spill
    random = SeededRandom(seed: settings.seed)
    fleet = try Fleet(settings, count: workers)
    progress = ProgressLine(label: "tier-stress \(profile.rawValue)")
    result.profile = profile.rawValue
    result.seed = settings.seed
    result.workers = workers
  }

  /// How far the run is.
  var elapsedS: Double { Clock.seconds(since: startNs) }

  func run() throws(StressFault) -> StressResult {
    var lastNs = startNs
    var sampledNs = startNs
    while elapsedS < seconds || result.daemonKills < daemonKills, fleet.failures.count < Self.failuresMax,
      !Interruption.isAsked
    {
      usleep(Self.tickUs)
      try tierd.requireRunning()
      try fleet.attend()
      fleet.reap()
      let now = Clock.nowNs()
      try disturb(sinceS: Double(now - lastNs) * 1e-9)
      lastNs = now
      if now - sampledNs > 500_000_000 {
        sampledNs = now
        try sample()
      }
      if tierd.isOwn, result.daemonKills < daemonKills,
        elapsedS > seconds * Double(result.daemonKills + 1) / Double(daemonKills + 1),
        Clock.milliseconds(since: lifeNs) > lifeMsMin
      {
        try restartDaemon()
      }
    }
    fleet.end()
    try conclude()
    readDaemon()
    judge()
    return result
  }

  func showKills(of count: Int, _ reading: ProcessReading) {
    let worst = pausesMs.max() ?? 0
    progress.show(
      "\(result.kills) of \(count) kills, free after \(Int(worst.rounded(.up))) ms at most, "
        + "RSS \(reading.rssBytes >> 20) MiB, \(reading.fds) descriptors, \(reading.threads) threads")
  }

  private func sample() throws(StressFault) {
    let reading = try tierd.reading()
    samples.append((Clock.seconds(since: lifeNs), reading))
    let tally = fleet.tally
    progress.show(
      "\(Int(elapsedS)) of \(Int(seconds)) s, \(tally.sequences) sequences, \(tally.bytesVerified >> 20) MiB verified, "
        + "\(tally.wrongBlocks) wrong, \(tally.lostBlocks) lost, \(result.kills) kills, RSS \(reading.rssBytes >> 20) MiB"
    )
  }

  private func restartDaemon() throws(StressFault) {
    try tierd.kill()
    result.daemonKills += 1
    if let spill, random.once(in: Self.cutOneIn), try SegmentCut.cut(in: spill, &random) {
      result.truncatedSegments += 1
    }
    let killedNs = Clock.nowNs()
    try tierd.start()
    result.startMsMax = max(result.startMsMax, Int(Clock.milliseconds(since: killedNs).rounded(.up)))
    lifeMsMin = Double(random.int(50...500))
    // What is flat in one life says nothing of the next.
    samples.removeAll()
    lifeNs = Clock.nowNs()
  }

  /// What there is to say once no worker is left.
  func conclude() throws(StressFault) {
    progress.clear()
    result.take(fleet.tally)
    result.failures += fleet.failures
    result.leaksAtEnd = try leaks()
    result.seconds = elapsedS
    result.pauseAfterKill = StressResult.Pauses(pausesMs)
    let status = try tierd.status()
    result.damagedRecords = (status.spill?.damagedRecords ?? 0) + (status.spill?.condemnedSegments ?? 0)
    result.daemon.end = try tierd.reading()
  }

  /// What the daemon still holds when nobody is connected any more.
  private func leaks() throws(StressFault) -> StressResult.Leaks {
    let startNs = Clock.nowNs()
    while true {
      let status = try tierd.status()
      let memory = status.tiers.filter { $0.name != "disk" }
      let leaks = StressResult.Leaks(
        sessions: status.sessions, sequences: status.sequences.open + status.sequences.queued, leases: status.leases,
        // What counts as used and is neither kept nor ring is staging.
        stagedBytes: memory.reduce(0) { $0 + $1.usedBytes - $1.keptBytes - $1.ringBytes },
        ringBytes: memory.reduce(0) { $0 + $1.ringBytes })
      if leaks.isNone || Clock.seconds(since: startNs) > Self.quietSecondsMax { return leaks }
      usleep(20_000)
    }
  }

  private func readDaemon() {
    // A life too short for a sample has nothing to compare.
    (result.daemon.start, result.daemon.peak) = (result.daemon.end, result.daemon.end)
    guard let last = samples.last else { return }
    let warm = samples.filter { $0.atS > last.atS / 10 }
    result.daemon.start = warm.first?.reading ?? last.reading
    result.daemon.peak = warm.reduce(result.daemon.end) { $0.peak($1.reading) }
    result.daemon.ownBytesEarly = Self.mean(samples.filter { $0.atS > last.atS / 4 && $0.atS <= last.atS / 2 })
    result.daemon.ownBytesLate = Self.mean(samples.filter { $0.atS > last.atS * 3 / 4 })
  }

  private static func mean(_ samples: [(atS: Double, reading: ProcessReading)]) -> Int {
    samples.isEmpty ? 0 : samples.reduce(0) { $0 + $1.reading.ownBytes } / samples.count
  }
}
