import ControlAPI
import Glibc
import TierTesting

/// A real model under a daemon that is killed: workers read prompt after prompt and answer them while tierd is killed under
/// all of them. Each answer is that of a worker without a daemon, to the bit. Beside them a worker whose blocks are made up
/// asks for everything that was accepted.
final class AnswerRun {
  /// Of one worker: what it reads, until its answer is there.
  private struct Worker {
    let prompt: AnswerPrompt
    let process: ChildProcess
  }

  private let tierd: Tierd
  private let makePrompt: (Int) -> AnswerPrompt
  private let kills: Int
  private let witness: Fleet
  private let progress = ProgressLine(label: "tier-stress answers")
  private var random: SeededRandom
  private var started = 0
  private var workers: [Worker] = []
  private var answers: [(prompt: AnswerPrompt, answer: Answer)] = []
  private var result: AnswerResult

  /// Far less than the prompts' KV: blocks are on every tier when the daemon dies.
  static let budgets = Budgets(deviceBytes: 6 << 20, hostBytes: 24 << 20, diskBytes: 1 << 30)
  private static let answerSecondsMax = 600.0

  init(
    _ tierd: Tierd, model: String, directory: String, scratch: String, seed: UInt64, workers count: Int, kills: Int
  ) throws(StressFault) {
    self.tierd = tierd
    self.kills = kills
    random = SeededRandom(seed: seed)
    makePrompt = {
      AnswerPrompt(program: directory + "/tier-worker", model: model, directory: scratch, number: $0)
    }
    result = AnswerResult(workers: count, seed: seed)
    witness = try Fleet(
      WorkerSettings(socketPath: tierd.socketPath, seed: seed, maxBlocks: 12, lingering: 0), count: 1)
  }

  func run() throws(StressFault) -> AnswerResult {
    let startNs = Clock.nowNs()
    while result.kills < kills, !Interruption.isAsked { try killOnce() }
    for worker in workers { try finish(worker) }
    witness.end()
    for (prompt, answer) in answers { try compare(prompt, answer) }
    progress.clear()
    conclude(seconds: Clock.seconds(since: startNs))
    return result
  }

  private func killOnce() throws(StressFault) {
    // Into the loading of some, the reading of others, and the answering.
    let waitMs = Double(random.int(100...1200))
    let startNs = Clock.nowNs()
    repeat {
      try tierd.requireRunning()
      try witness.attend()
      try attend()
      usleep(5_000)
    } while Clock.milliseconds(since: startNs) < waitMs
    progress.show("\(result.kills) of \(kills) kills, \(answers.count) answers")
    result.connectedAtKills += try tierd.sessions().count { $0.client == "tier-worker" }
    let killedNs = Clock.nowNs()
    try tierd.kill()
    try tierd.start()
    result.kills += 1
    result.startMsMax = max(result.startMsMax, Int(Clock.milliseconds(since: killedNs).rounded(.up)))
  }

  /// Takes in answers that are there, and starts a worker on the next prompt for each.
  private func attend() throws(StressFault) {
    for index in workers.indices.reversed() {
      guard let ending = workers[index].process.poll() else { continue }
      try take(workers.remove(at: index), ending)
    }
    while workers.count < result.workers {
      let prompt = makePrompt(started)
      started += 1
      workers.append(Worker(prompt: prompt, process: try prompt.start(["--socket", tierd.socketPath])))
    }
  }

  private func take(_ worker: Worker, _ ending: ChildProcess.Ending) throws(StressFault) {
    guard ending == .exited(0) else {
      throw .failed("a worker ended by itself: \(ending); \(worker.prompt.lastWords)")
    }
    answers.append((worker.prompt, try worker.prompt.answer()))
  }

  private func finish(_ worker: Worker) throws(StressFault) {
    guard let ending = worker.process.wait(seconds: Self.answerSecondsMax) else {
      throw .failed("a worker still runs after \(Self.answerSecondsMax) s; \(worker.prompt.lastWords)")
    }
    try take(worker, ending)
  }

  /// With a worker that has no daemon.
  private func compare(_ prompt: AnswerPrompt, _ answer: Answer) throws(StressFault) {
    progress.show("\(result.answers) of \(answers.count) answers compared, \(result.wrongAnswers) wrong")
    result.answers += 1
    result.tokens += answer.tokenIds.count
    result.reconnects += answer.reconnects
    waitsMs += prompt.waitsMs().map(Double.init)
    let alone = try prompt.start(["--embedded"])
    guard alone.wait(seconds: Self.answerSecondsMax) == .exited(0) else {
      throw .failed("tier-worker --embedded: \(prompt.lastWords)")
    }
    if try !answer.isSame(as: prompt.answer()) { result.wrongAnswers += 1 }
  }

  private var waitsMs: [Double] = []

  private func conclude(seconds: Double) {
    result.seconds = seconds
    result.waitsMs = StressResult.Pauses(waitsMs)
    let seen = witness.tally
    (result.blocksVerified, result.wrongBlocks) = (seen.blocksRead, seen.wrongBlocks)
    (result.acceptedLost, result.durableLost) = (seen.acceptedLostByRestart, seen.durableLostByRestart)
    result.failures = witness.failures
    result.judge()
  }
}
