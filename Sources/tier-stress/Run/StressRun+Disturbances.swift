import ControlAPI
import ControlClient
import Glibc
import TierTesting

/// What happens to workers and daemon while they are at it.
extension StressRun {
  /// Draws what happens in a stretch of time.
  func disturb(sinceS seconds: Double) throws(StressFault) {
    let rates = profile.rates
    if happens(rates.kills, seconds) { try killWorker() }
    if happens(rates.stops, seconds) {
      fleet.stop(random.int(0...fleet.members.count - 1), forMs: random.int(20...1500))
      result.stops += 1
    }
    if happens(rates.budgets, seconds) { try changeBudgets() }
    if happens(rates.evictions, seconds) { try evict() }
  }

  private func happens(_ perSecond: Double, _ seconds: Double) -> Bool {
    Double.random(in: 0..<1, using: &random) < perSecond * seconds
  }

  /// Kills one and waits until the daemon has let go of what it held; that is noted, and so is how long it took.
  func killWorker() throws(StressFault) {
    let index = random.int(0...fleet.members.count - 1)
    let pid = fleet.members[index].process.pid
    let held = try tierd.sessions().filter { $0.pid == pid }
    if held.contains(where: { $0.leases > 0 || $0.staged > 0 }) { result.killsHolding += 1 }
    let killed = try fleet.kill(index)
    result.kills += 1
    while try tierd.sessions().contains(where: { $0.pid == killed.pid }) {
      guard Clock.milliseconds(since: killed.atNs) < Self.freeMsMax else {
        result.failures.append("a session of a killed worker was still there after \(Self.freeMsMax) ms")
        return
      }
      usleep(200)
    }
    pausesMs.append(Clock.milliseconds(since: killed.atNs))
  }

  private static let freeMsMax = 5000.0

  /// A half to all of what each tier had at the start. A budget the open sequences do not allow is refused, and stays.
  private func changeBudgets() throws(StressFault) {
    var request = SetRequest()
    let percent = random.int(50...100)
    switch random.int(0...5) {
    case 0...2: request.deviceBudgetBytes = budgets.deviceBytes / 100 * percent
    case 3...4: request.hostBudgetBytes = budgets.hostBytes / 100 * percent
    default: request.diskBudgetBytes = budgets.diskBytes / 100 * percent
    }
    if try steer(.set, request, as: SetReply.self) != nil { result.budgetChanges += 1 }
  }

  private func evict() throws(StressFault) {
    let request = EvictRequest(what: .unplanned, to: random.once(in: 2) ? .gone : .disk)
    if try steer(.evict, request, as: EvictReply.self) != nil { result.evictions += 1 }
  }

  /// Nil where the daemon says that it cannot now.
  private func steer<Reply: Decodable>(
    _ route: ControlRoute, _ body: some Encodable, as type: Reply.Type
  ) throws(StressFault) -> Reply? {
    do throws(ControlClientError) {
      return try tierd.control.post(route, body, as: type)
    } catch {
      guard case .refused(409, _) = error else { throw .failed("the control socket: \(error.message)") }
      return nil
    }
  }
}
