import ControlAPI
import Glibc
import TierCore
import TierTesting
import TierWire

/// Hostile clients in turns with quiet: a probe measures all the while, and new workers come and read.
final class HostileRun {
  private let tierd: Tierd
  private let seed: UInt64
  private let count: Int
  private let limit: Double
  private var result: HostileResult
  private var clients: [ChildProcess] = []
  private var quietUs: [Double] = []
  private var attackedUs: [Double] = []
  private let startNs = Clock.nowNs()
  private let progress = ProgressLine(label: "tier-stress hostile")

  private static let clientCount = 3
  /// Users of the daemon's group that are not its own, for a tier-stress that may become them.
  private static let strangers: [UInt32] = [65_531, 65_532, 65_533]
  private static let warmupS = 0.5
  private static let quietS = 1.0
  private static let windowSecondsMax = 120.0
  static let ratioMax = 3.0
  /// What a heap in use may differ by.
  private static let growthBytesMax = 8 << 20

  init(_ tierd: Tierd, seed: UInt64, count: Int, limitSeconds: Double) {
    self.tierd = tierd
    self.seed = seed
    self.count = count
    limit = limitSeconds
    result = HostileResult(seed: seed)
  }

  func run() throws -> HostileResult {
    let probe = try ResidentProbe(socketPath: tierd.socketPath, seed: seed)
    try startClients()
    _ = try probe.measure(seconds: Self.warmupS)
    // One window before anything is counted: threads, arenas and buffers are all there after it.
    try attack(probe, count: min(count / 10, 1000), isCounted: false)
    result.daemonBefore = try settledReading()
    let windows = max(1, min(40, count / 500))
    var left = count
    for window in 0..<windows where !Interruption.isAsked {
      guard Clock.seconds(since: startNs) < limit else {
        result.failures.append("\(left) conversations were left after \(limit) s")
        break
      }
      quietUs += try probe.measure(seconds: Self.quietS)
      let part = left / (windows - window)
      left -= part
      try attack(probe, count: part, isCounted: true)
      try tierd.requireRunning()
      showWindow(window, of: windows)
    }
    progress.clear()
    try conclude(probe)
    return result
  }

  private func startClients() throws {
    let others = geteuid() == 0
    for index in 0..<Self.clientCount {
      let uid = others ? Self.strangers[index] : 0
      result.uids.append(others ? uid : getuid())
      clients.append(
        try ChildProcess(
          "/proc/self/exe",
          ["--child", "hostile", "--socket", tierd.socketPath, "--seed", "\(seed &* 31 &+ UInt64(index))"]
            + (others ? ["--as-uid", "\(uid)"] : [])))
    }
    result.clients = clients.count
  }

  /// Lets the clients hold `count` conversations together; the probe measures until they have.
  private func attack(_ probe: ResidentProbe, count: Int, isCounted: Bool) throws {
    for (index, client) in clients.enumerated() {
      client.write("\(count * (index + 1) / clients.count - count * index / clients.count)")
    }
    var waiting = Set(clients.indices)
    let windowNs = Clock.nowNs()
    while !waiting.isEmpty {
      guard Clock.seconds(since: windowNs) < Self.windowSecondsMax else {
        throw StressFault.failed("hostile clients were not through after \(Self.windowSecondsMax) s")
      }
      let measured = try probe.measure(seconds: 0.2)
      if isCounted { attackedUs += measured }
      try readAsANewcomer(isCounted: isCounted)
      for index in waiting {
        if let ending = clients[index].poll() { throw StressFault.failed("a hostile client ended: \(ending)") }
        guard let line = clients[index].lines().last else { continue }
        guard let tally = HostileTally(line: line) else { throw StressFault.failed("a hostile client said '\(line)'") }
        if isCounted { result.done.add(tally) }
        waiting.remove(index)
      }
    }
  }

  /// A new worker connects, writes and reads a sequence, and leaves.
  private func readAsANewcomer(isCounted: Bool) throws {
    let beganNs = Clock.nowNs()
    let client = try WorkerClient.connect(path: tierd.socketPath, name: "tier-stress newcomer", timeoutMs: 10_000)
    defer { client.end() }
    var random = SeededRandom(seed: seed &+ UInt64(result.sequencesMeanwhile))
    let prompt = StressPrompt(blocks: 6, ofNobodyElse: random.next() >> 2)
    let manner = Manner.plain
    let report = Report(falsifyOneReadIn: 0, isTold: false)
    let plan = manner.plan(prompt, sequence: SequenceID(1))
    let run = SequenceRun(
      client, prompt, plan, manner, report, Promises(layers: plan.layers, blocks: prompt.blocks))
    guard try run.run() == .ended, report.tally.lostBlocks == 0, report.tally.blocksRead > 0 else {
      throw StressFault.failed("a new worker was not served: \(report.tally)")
    }
    result.wrongBlocks += report.tally.wrongBlocks
    guard isCounted else { return }
    result.sequencesMeanwhile += 1
    result.slowestSequenceMs = max(result.slowestSequenceMs, Clock.milliseconds(since: beganNs))
  }

  private func showWindow(_ window: Int, of windows: Int) {
    let (quiet, attacked) = (HostileResult.Latency(quietUs), HostileResult.Latency(attackedUs))
    progress.show(
      "window \(window + 1) of \(windows): \(result.done.conversations) conversations, p99 "
        + "\(Int(quiet.p99Us)) → \(Int(attacked.p99Us)) µs")
  }

  /// What the daemon takes once its hostile clients are gone.
  private func settledReading() throws -> ProcessReading {
    let sinceNs = Clock.nowNs()
    while try tierd.status().sessions > 1, Clock.seconds(since: sinceNs) < 10 { usleep(20_000) }
    usleep(200_000)
    return try tierd.reading()
  }

  private func conclude(_ probe: ResidentProbe) throws {
    for client in clients { client.closeInput() }
    result.daemonAfter = try settledReading()
    result.quiet = HostileResult.Latency(quietUs)
    result.attacked = HostileResult.Latency(attackedUs)
    result.p99Ratio = result.attacked.p99Us / max(result.quiet.p99Us, 0.001)
    result.movingRounds = probe.movingRounds
    result.wrongBlocks += probe.wrongBlocks
    result.strangerIsKeptOut = try isStrangerKeptOut()
    result.seconds = Clock.seconds(since: startNs)
    judge()
  }

  private func judge() {
    let (before, after) = (result.daemonBefore, result.daemonAfter)
    let findings: [(Bool, String)] = [
      (result.done.notEnded == 0, "\(result.done.notEnded) conversations that had to be ended were not, within 5 s"),
      (result.wrongBlocks == 0, "\(result.wrongBlocks) blocks had wrong bytes"),
      (result.p99Ratio <= Self.ratioMax, "the p99 of a resident acquire was \(result.p99Ratio) times its quiet value"),
      (result.strangerIsKeptOut != false, "a user outside the socket's group could connect"),
      (after.fds <= before.fds + 2, "the daemon has \(after.fds) descriptors open, before it were \(before.fds)"),
      (after.threads <= before.threads, "the daemon has \(after.threads) threads, before it were \(before.threads)"),
      (after.ownBytes <= before.ownBytes + Self.growthBytesMax, "the daemon's own memory grew"),
    ]
    result.failures += findings.filter { !$0.0 }.map(\.1)
  }

  /// A process of a user who is not in the group must not get as far as a conversation.
  private func isStrangerKeptOut() throws -> Bool? {
    guard geteuid() == 0 else { return nil }
    let stranger = try ChildProcess(
      "/proc/self/exe", ["--child", "stranger", "--socket", tierd.socketPath, "--as-uid", "\(Self.strangers[0])"])
    guard case .exited(let code)? = stranger.wait(seconds: 10) else { throw StressFault.failed("a stranger hung") }
    return code == 0
  }
}
