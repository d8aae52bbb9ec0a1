import Glibc
import TierCore

/// What the planner keeps, beside what could be kept at best, and what a least-recently-used cache would: the reads of a
/// prefill replayed, no bytes moved. And what planning costs.
struct PlanGroup: BenchmarkGroup {
  static let name = "plan"
  static let summary = "hit rates of the planner beside Belady's optimum and LRU, and its cost"
  static let needs: [BenchmarkNeed] = []

  private static let layers = 30
  private static let chunks = 32
  private static let slotBytes = BlockLayout.pageBytes
  private static let ringSlots = 1
  private static let percents = [10, 25, 50, 75]

  func run(_ bench: Bench) throws -> [Figure] {
    var figures: [Figure] = []
    for percent in Self.percents {
      bench.progress.show("replaying with \(percent) % of the KV's memory")
      figures += try hitRates(percent)
    }
    bench.progress.show("timing the planner")
    figures.append(try cost(bench))
    return figures
  }

  /// Hits of a memory of `percent` of the prompt's blocks. A block that is fetched was no hit, whenever it was sent for.
  private func hitRates(_ percent: Int) throws -> [Figure] {
    let slots = Self.layers * Self.chunks * percent / 100
    let counted = try replay(keptSlots: slots)
    let reads = Self.layers * Self.chunks * (Self.chunks - 1) / 2
    let planned = 1 - Double(counted.hostToDevice.blocks) / Double(reads)
    let trace = ScanTrace(layers: Self.layers, chunks: Self.chunks)
    let optimum = trace.beladyHitRate(slots: slots)
    let name = "hit_rate_\(percent)_percent"
    return [
      Figure(
        "\(name)_to_optimum_points", "\(percent) % of the KV: points below Belady's optimum", .points,
        value: 100 * (optimum - planned), target: .atMost(1)),
      Figure("\(name)_planned", "hit rate of the planner, %", .percent, value: 100 * planned),
      Figure("\(name)_optimum", "of Belady's optimum with bypass, by brute force, %", .percent, value: 100 * optimum),
      Figure("\(name)_lru", "of LRU, %", .percent, value: 100 * trace.lruHitRate(slots: slots)),
    ]
  }

  /// Slots that blocks stay in; the ring comes on top.
  private func replay(keptSlots: Int) throws -> StoreStatistics {
    // What is reserved for the ring depends on the budget: the least budget that leaves the slots.
    for device in keptSlots + Self.ringSlots..<2 * keptSlots + 64 {
      var replay = PlanReplay(workload, budgets: budgets(device: device))
      guard replay.keptSlots(.device) >= keptSlots else { continue }
      if let counted = replay.run() { return counted }
    }
    throw BenchFault.failed("no budget leaves \(keptSlots) slots to keep blocks in")
  }

  private var workload: PlanReplay.Workload {
    .init(
      layout: BlockLayout(element: .bf16, kvHeads: 1, headDim: 64, blockTokens: 16)!, layers: Self.layers,
      totalBlocks: Self.chunks, chunkBlocks: 1, ringSlots: Self.ringSlots)
  }

  private func budgets(device: Int) -> CoreConfiguration {
    CoreConfiguration(deviceBytes: device * Self.slotBytes, hostBytes: 8 * Self.slotBytes, diskBytes: 1 << 30)
  }

  /// Time in the core for each block a prefill reads: every request, decision and answer.
  private func cost(_ bench: Bench) throws -> Figure {
    var samples: [Double] = []
    let reads = Self.layers * Self.chunks * (Self.chunks - 1) / 2
    for _ in 0..<(bench.pairs ?? 21) + 1 {
      var replay = PlanReplay(workload, budgets: budgets(device: Self.layers * Self.chunks / 4))
      // One thread, nothing to wait for: its processor time is what planning takes, whoever else computes.
      let startNs = Stopwatch.nowNs(CLOCK_THREAD_CPUTIME_ID)
      guard replay.run() != nil else { throw BenchFault.failed("the plan was refused") }
      let ns = Stopwatch.nowNs(CLOCK_THREAD_CPUTIME_ID) - startNs
      samples.append(Double(ns) * 1e-3 / Double(reads))
    }
    return .median(
      "planning_us_per_block", "planning: processor time for each block touched, at 25 % of the KV", .microseconds,
      of: Array(samples.dropFirst()), target: .atMost(1))
  }
}
