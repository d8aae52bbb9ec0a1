import Glibc
import TierCore
import TierTesting
import TierWire

/// A worker process: one sequence after another, until whoever started it lets go of its standard input.
struct WorkerLoop {
  let socketPath: String
  let seed: UInt64
  /// Of the run: all its workers draw their prompts from the same models.
  let worldSeed: UInt64
  let maxBlocks: Int
  let lingering: Int
  let falsifyOneReadIn: Int

  /// How long a worker looks for a daemon that has gone away.
  private static let outageMsMax = 30_000.0
  private static let sequencesPerSessionMax = 4

  func run() throws {
    let report = Report(falsifyOneReadIn: falsifyOneReadIn)
    var random = SeededRandom(seed: seed)
    do {
      while !isToEnd() { try session(report, &random) }
    } catch let fault as StressFault {
      try report.problem(fault.message)
    } catch let error as ResidencyError {
      try report.problem("a session broke: \(error.message)")
    }
    try report.tell()
  }

  private func session(_ report: Report, _ random: inout SeededRandom) throws {
    var client = try reach(report)
    for number in 1...random.int(1...Self.sequencesPerSessionMax) where !isToEnd() {
      let prompt = StressPrompt(seed: worldSeed, maxBlocks: maxBlocks, &random)
      let manner = Manner(prompt, lingering: lingering, &random)
      let plan = manner.plan(prompt, sequence: SequenceID(UInt32(number)))
      var promises = Promises(layers: plan.layers, blocks: prompt.blocks)
      attempts: while true {
        let run = SequenceRun(client, prompt, plan, manner, report, promises)
        do {
          let outcome = try run.run()
          report.tally.sequences += outcome == .ended ? 1 : 0
          report.tally.refusals += outcome == .refused ? 1 : 0
          report.tally.abruptEnds += outcome == .vanished ? 1 : 0
          if outcome == .vanished {
            client.end()
            return
          }
          break attempts
        } catch ResidencyError.unavailable {
          // The daemon went away: what it had accepted must be there when it is back.
          guard !isToEnd() else { return }
          client = try reconnect(report)
          promises = run.promises.afterRestart()
        }
      }
    }
    client.end()
  }

  private func connect() throws(ResidencyError) -> WorkerClient {
    try WorkerClient.connect(path: socketPath, name: "tier-stress", timeoutMs: 10_000)
  }

  /// The daemon may be away just now.
  private func reach(_ report: Report) throws -> WorkerClient {
    do throws(ResidencyError) {
      return try connect()
    } catch {
      guard case .unavailable = error, !isToEnd() else { throw error }
      return try reconnect(report)
    }
  }

  private func reconnect(_ report: Report) throws -> WorkerClient {
    let goneNs = Clock.nowNs()
    while true {
      do throws(ResidencyError) {
        let client = try connect()
        report.tally.reconnects += 1
        let outageMs = Clock.milliseconds(since: goneNs)
        report.tally.outageMsMax = max(report.tally.outageMsMax, Int(outageMs.rounded(.up)))
        if outageMs > 1000 { report.tally.outagesOverSecond += 1 }
        return client
      } catch {
        guard Clock.milliseconds(since: goneNs) < Self.outageMsMax, !isToEnd() else { throw error }
        usleep(5_000)
      }
    }
  }

  /// Whether nobody holds the other end of standard input any more.
  private func isToEnd() -> Bool {
    var input = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
    return poll(&input, 1, 0) > 0 && input.revents & Int16(POLLHUP) != 0
  }
}
