import ControlAPI

/// Metrics in the text format 0.0.4 of Prometheus: https://prometheus.io/docs/instrumenting/exposition_formats/
/// Names carry base units (bytes, seconds); counters end in `_total`.
enum PrometheusText {
  static let contentType = "text/plain; version=0.0.4; charset=utf-8"

  static func render(_ status: StatusReply) -> String {
    var page = MetricsPage()
    daemon(status, &page)
    tiers(status, &page)
    PoolMetrics.render(status.pools, &page)
    traffic(status, &page)
    if let spill = status.spill { self.spill(spill, &page) }
    latencies(status.latencies, &page)
    status.renderTenants(&page)
    if let pressure = status.pressure { pressure.render(&page) }
    if let device = status.device { device.render(&page) }
    return page.text
  }

  private static func daemon(_ status: StatusReply, _ page: inout MetricsPage) {
    page.family("tierd_build_info", .gauge, "The running version; always 1.") {
      $0.sample([("version", status.version)], 1)
    }
    page.family("tierd_uptime_seconds", .gauge, "Time since the daemon started.") { $0.sample([], status.uptimeS) }
    page.family("tierd_draining", .gauge, "1 while no new sequences are taken.") {
      $0.sample([], status.draining ? 1 : 0)
    }
    page.family("tierd_sessions", .gauge, "Connections on the worker socket.") { $0.sample([], status.sessions) }
    page.family("tierd_sequences", .gauge, "Sequences that run or wait for memory.") {
      $0.sample([("state", "open")], status.sequences.open)
      $0.sample([("state", "queued")], status.sequences.queued)
    }
    page.family("tierd_leases", .gauge, "Leases held on resident blocks.") { $0.sample([], status.leases) }
  }

  private static func tiers(_ status: StatusReply, _ page: inout MetricsPage) {
    let families: [(String, String, (TierStatus) -> Int)] = [
      ("tierd_tier_budget_bytes", "What the operator gave the tier.", \.budgetBytes),
      (
        "tierd_tier_effective_budget_bytes", "What the tier may hold now: less than its budget while memory is short.",
        \.effectiveBudgetBytes
      ),
      ("tierd_tier_used_bytes", "What the tier holds.", \.usedBytes),
      ("tierd_tier_peak_bytes", "The most the tier has held since the start.", \.peakBytes),
      ("tierd_tier_kept_bytes", "Held for blocks kept for their next use.", \.keptBytes),
      ("tierd_tier_ring_bytes", "Held by the ring through which blocks stream.", \.ringBytes),
      ("tierd_tier_blocks", "Blocks on the tier.", \.blocks),
    ]
    for (name, help, value) in families {
      page.family(name, .gauge, help) { family in
        for tier in status.tiers { family.sample([("tier", tier.name)], value(tier)) }
      }
    }
  }

  private static func traffic(_ status: StatusReply, _ page: inout MetricsPage) {
    page.family("tierd_moved_blocks_total", .counter, "Blocks moved along a link.") { family in
      for move in status.moves { family.sample([("from", move.from), ("to", move.to)], move.blocks) }
    }
    page.family("tierd_moved_bytes_total", .counter, "Bytes of blocks moved along a link.") { family in
      for move in status.moves { family.sample([("from", move.from), ("to", move.to)], move.bytes) }
    }
    page.family("tierd_acquired_blocks_total", .counter, "Blocks acquired: resident, waited for, or found nowhere.") {
      $0.sample([("result", "hit")], status.hits)
      $0.sample([("result", "miss")], status.misses)
      $0.sample([("result", "lost")], status.lost)
    }
    page.family(
      "tierd_retired_blocks_total", .counter,
      "Blocks dropped because every sequence had passed them, by their layer's reach."
    ) { $0.sample([], status.retired) }
  }

  private static func spill(_ spill: SpillStatus, _ page: inout MetricsPage) {
    page.family("tierd_spill_healthy", .gauge, "1 while the spill reads and writes.") {
      $0.sample([], spill.health == "ok" ? 1 : 0)
    }
    page.family("tierd_spill_records", .gauge, "Blocks that can be read from disk.") { $0.sample([], spill.records) }
    page.family("tierd_spill_bytes", .gauge, "Bytes of segment files: live, dead, and all of the files.") {
      $0.sample([("state", "live")], spill.liveBytes)
      $0.sample([("state", "dead")], spill.deadBytes)
      $0.sample([("state", "file")], spill.fileBytes)
    }
    page.family("tierd_spill_queue_depth", .gauge, "Blocks that wait for the disk, and operations that hang on it.") {
      $0.sample([("operation", "write")], spill.queuedWrites)
      $0.sample([("operation", "read")], spill.queuedReads)
      $0.sample([("operation", "stuck")], spill.stuckOperations)
    }
    page.family("tierd_spill_unscanned_segments", .gauge, "Segments whose blocks have not been looked for yet.") {
      $0.sample([], spill.unscannedSegments)
    }
    page.family("tierd_spill_damaged_records_total", .counter, "Records that did not verify and were dropped.") {
      $0.sample([], spill.damagedRecords)
    }
    page.family("tierd_spill_segments_total", .counter, "Segments reclaimed, and given up after a failed write.") {
      $0.sample([("end", "reclaimed")], spill.reclaimedSegments)
      $0.sample([("end", "condemned")], spill.condemnedSegments)
    }
    page.family("tierd_spill_original_bytes_total", .counter, "Bytes of blocks spilled, before compression.") {
      $0.sample([], spill.originalBytes)
    }
    page.family("tierd_spill_stored_bytes_total", .counter, "Bytes of blocks spilled, after compression.") {
      $0.sample([], spill.storedBytes)
    }
  }

  private static func latencies(_ latencies: [LatencyStatus], _ page: inout MetricsPage) {
    let name = "tierd_operation_duration_seconds"
    page.family(name, .summary, "How long operations took since the daemon started.") { family in
      for latency in latencies {
        let operation = ("operation", latency.name)
        family.sample([operation, ("quantile", "0.5")], latency.p50Us / 1e6)
        family.sample([operation, ("quantile", "0.99")], latency.p99Us / 1e6)
        family.sample([operation], latency.sumUs / 1e6, suffix: "_sum")
        family.sample([operation], latency.count, suffix: "_count")
      }
    }
    page.family("tierd_operation_duration_seconds_max", .gauge, "The longest an operation took.") { family in
      for latency in latencies { family.sample([("operation", latency.name)], latency.maxUs / 1e6) }
    }
  }
}
