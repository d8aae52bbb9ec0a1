/// What a run did and found, as `--json` prints it.
struct StressResult: Codable {
  struct Daemon: Codable {
    /// After the first tenth of the run, when every arena is there; the largest; and at the end, with no worker left.
    var start = ProcessReading()
    var peak = ProcessReading()
    var end = ProcessReading()
    /// Own memory, on average over the second and over the last quarter of the run: what leaks shows here.
    var ownBytesEarly = 0
    var ownBytesLate = 0
  }
  struct Leaks: Codable {
    var sessions = 0
    var sequences = 0
    var leases = 0
    var stagedBytes = 0
    var ringBytes = 0

    var isNone: Bool { sessions == 0 && sequences == 0 && leases == 0 && stagedBytes == 0 && ringBytes == 0 }
  }
  struct Pauses: Codable {
    /// From the kill of a worker until the daemon shows no session of it: its leases and unsealed slots are free.
    var samples = 0
    var p50Ms = 0.0
    var p99Ms = 0.0
    var maxMs = 0.0
  }

  var profile = ""
  var seed: UInt64 = 0
  var seconds = 0.0
  var workers = 0
  var sequences = 0
  var refusals = 0
  var blocksWritten = 0
  var blocksRead = 0
  var bytesVerified = 0
  var wrongBlocks = 0
  var lostBlocks = 0
  var missedBlocks = 0
  var droppedSeals = 0
  var kills = 0
  /// Of the kills, those of workers that held leases or unsealed slots at that moment.
  var killsHolding = 0
  var stops = 0
  var budgetChanges = 0
  var evictions = 0
  var abruptEnds = 0
  var daemonKills = 0
  var truncatedSegments = 0
  var reconnects = 0
  var outageMsMax = 0
  var outagesOverSecond = 0
  /// Of a killed daemon's next life, until it answers.
  var startMsMax = 0
  var keepsMemory = false
  var acceptedLostByRestart = 0
  var durableLostByRestart = 0
  /// Records the spill found damaged, and segments it gave up.
  var damagedRecords = 0
  var daemon = Daemon()
  var leaksAtEnd = Leaks()
  var pauseAfterKill = Pauses()
  /// What was found that must not be, in words; empty where the run passed.
  var failures: [String] = []

  mutating func take(_ tally: Tally) {
    sequences = tally.sequences
    refusals = tally.refusals
    blocksWritten = tally.blocksWritten
    blocksRead = tally.blocksRead
    bytesVerified = tally.bytesVerified
    wrongBlocks = tally.wrongBlocks
    lostBlocks = tally.lostBlocks
    missedBlocks = tally.missedBlocks
    droppedSeals = tally.droppedSeals
    abruptEnds = tally.abruptEnds
    reconnects = tally.reconnects
    outageMsMax = tally.outageMsMax
    outagesOverSecond = tally.outagesOverSecond
    acceptedLostByRestart = tally.acceptedLostByRestart
    durableLostByRestart = tally.durableLostByRestart
  }
}

extension StressResult.Pauses {
  init(_ samplesMs: [Double]) {
    let sorted = samplesMs.sorted()
    samples = sorted.count
    guard let last = sorted.last else { return }
    p50Ms = sorted[sorted.count / 2]
    p99Ms = sorted[min(sorted.count - 1, sorted.count * 99 / 100)]
    maxMs = last
  }
}
