public import ControlAPI
import Glibc
import Synchronization
import TierCore
import TierMemory
import TierSpill

/// The control plane's view of the engine.
public final class EngineControl: ControlledStore {
  let engine: Engine
  private let instance: String

  public init(_ engine: Engine, instance: String) {
    self.engine = engine
    self.instance = instance
  }

  public func status() -> StatusReply {
    let (core, sessions, names) = engine.state.withLock { state in
      (CoreReading(state.core), state.outboxes.count, state.tenants)
    }
    let spill = engine.spill?.statistics()
    let statistics = core.statistics
    return StatusReply(
      version: ProjectVersion.text, pid: getpid(),
      uptimeS: Double(MonotonicClock.nowMs() - engine.startedAtMs) / 1000, instance: instance,
      draining: core.isDraining, tiers: tiers(core, spill), moves: moves(statistics), hits: statistics.hits,
      misses: statistics.misses, lost: statistics.lost, retired: statistics.retired, leases: core.leases,
      sessions: sessions,
      sequences: SequenceCounts(open: core.admitted, queued: core.queued),
      // It may come to be had between the two looks: then a third finds it.
      spill: spill.map(spillStatus) ?? missingSpill ?? engine.spill.map { spillStatus($0.statistics()) },
      latencies: spill.map(latencies) ?? [], pressure: engine.options.memorySources.map { _ in pressure() },
      pools: pools(core), device: device(core), tenants: core.tenants.map { tenant($0, names) },
      tenantTable: names.table)
  }

  private func device(_ core: CoreReading) -> DeviceStatus? {
    guard let now = engine.options.device?.backend.reading() else { return nil }
    let budget = core.pools.first { $0.tier == .device }?.budgetBytes ?? 0
    return DeviceStatus(
      name: now.name, pci: now.pciAddress, numaNode: now.numaNode, budgetBytes: budget, totalBytes: now.totalBytes,
      freeBytes: now.freeBytes)
  }

  private func tenant(_ now: TenantSnapshot, _ names: TenantNames) -> TenantStatus {
    let limits = TenantTable.Limits(now.limits)
    func share(_ tier: Tier, _ quota: Int?) -> TenantStatus.Share {
      TenantStatus.Share(
        tier: tier.name, keptBytes: now.keptBytes[tier], reservedBytes: now.reservedBytes[tier],
        guaranteeBytes: now.limits.guaranteed[tier], quotaBytes: quota)
    }
    var shares = [share(.host, limits.hostQuotaBytes)]
    if engine.options.deviceBytes > 0 { shares.insert(share(.device, limits.deviceQuotaBytes), at: 0) }
    if engine.options.diskBytes > 0 { shares.append(share(.disk, limits.diskQuotaBytes)) }
    return TenantStatus(
      name: names.name(now.tenant), id: now.tenant.rawValue, sessions: now.sessions, maxSessions: limits.connections,
      sequences: SequenceCounts(open: now.openSequences, queued: now.queuedSequences), shares: shares,
      hits: now.counts.hits, misses: now.counts.misses, lost: now.counts.lost, displaced: now.counts.displaced)
  }

  private func pressure() -> PressureStatus {
    let view = engine.pressure.view
    return PressureStatus(
      sources: view.sources, cause: view.cause?.kind.rawValue, message: view.cause?.message,
      advice: view.cause?.advice, ownStallPercent: view.ownStallPercent, systemStallPercent: view.systemStallPercent,
      shrinks: view.shrinks, growths: view.growths,
      limitEvents: view.limitEvents.map { .init(name: $0.name, count: $0.count) })
  }

  private func tiers(_ core: CoreReading, _ spill: SpillStatistics?) -> [TierStatus] {
    var tiers = core.pools.filter { $0.budgetBytes > 0 || $0.usedBytes > 0 }.map { pool in
      TierStatus(
        name: pool.tier.name, budgetBytes: pool.budgetBytes, effectiveBudgetBytes: pool.effectiveBytes,
        usedBytes: pool.usedBytes, peakBytes: pool.peakBytes, keptBytes: pool.keptBytes, ringBytes: pool.ringBytes,
        blocks: core.blocks[pool.tier] ?? 0)
    }
    if let spill {
      tiers.append(
        TierStatus(
          name: "disk", budgetBytes: spill.capBytes, usedBytes: spill.fileBytes,
          peakBytes: core.statistics.disk.peakBytes, keptBytes: spill.liveBytes, ringBytes: 0, blocks: spill.records))
    }
    return tiers
  }

  private func moves(_ s: StoreStatistics) -> [MoveStatus] {
    [
      ("worker", "device", s.bornOnDevice), ("worker", "host", s.bornOnHost), ("device", "host", s.deviceToHost),
      ("host", "device", s.hostToDevice), ("host", "disk", s.hostToDisk), ("disk", "host", s.diskToHost),
    ].map { MoveStatus(from: $0.0, to: $0.1, blocks: $0.2.blocks, bytes: $0.2.bytes) }
  }

  private func spillStatus(_ s: SpillStatistics) -> SpillStatus {
    let health =
      switch s.health {
      case .healthy: "ok"
      case .degraded(let error): "degraded: \(error.message); memory goes on serving"
      case .closed: "closed"
      }
    let queue = engine.diskQueue
    return SpillStatus(
      records: s.records, liveBytes: s.liveBytes, deadBytes: s.deadBytes, fileBytes: s.fileBytes,
      originalBytes: s.counts.writtenOriginalBytes, storedBytes: s.counts.writtenStoredBytes, health: health,
      ioEngine: s.ioEngine, directIo: s.directIO, queuedWrites: queue.writes, queuedReads: queue.reads,
      stuckOperations: s.stuckOperations, segments: s.segments, unscannedSegments: s.unscannedSegments,
      damagedRecords: s.counts.corruptReads + s.counts.lostWhileMoving, condemnedSegments: s.counts.condemnedSegments,
      reclaimedSegments: s.counts.reclaimedSegments)
  }

  /// One is configured and cannot be had.
  private var missingSpill: SpillStatus? {
    engine.spillFault.map { fault in
      SpillStatus(
        records: 0, liveBytes: 0, deadBytes: 0, fileBytes: 0, originalBytes: 0, storedBytes: 0,
        health: "missing: \(fault.message); memory serves without it")
    }
  }

  private func latencies(_ s: SpillStatistics) -> [LatencyStatus] {
    [
      ("disk_write_group", s.counts.writeLatency), ("disk_read", s.counts.readLatency),
      ("disk_sync", s.counts.syncLatency),
    ]
    .map { name, histogram in
      LatencyStatus(
        name: name, count: Int(histogram.samples), sumUs: Double(histogram.totalNs) / 1000,
        p50Us: Double(histogram.percentileNs(0.5)) / 1000, p99Us: Double(histogram.percentileNs(0.99)) / 1000,
        maxUs: Double(histogram.maxNs) / 1000)
    }
  }

  public func blocks(_ query: BlocksQuery) throws(ControlError) -> BlocksReply {
    let all = engine.state.withLock { $0.core.allBlocks() }
    var pager = BlockPager(query)
    var found: [BlockKey: BlockSnapshot] = [:]
    for block in all where !block.tiers.isEmpty && query.matches(block.key, on: block.tiers) {
      pager.offer(block.key)
      found[block.key] = block
    }
    let (page, total, next) = pager.page()
    let rows = page.compactMap { found[$0] }.map {
      BlockStatus(
        $0.key, tiers: $0.tiers, bytes: $0.payloadBytes, leases: $0.leases, durable: $0.tiers.contains(.disk))
    }
    return BlocksReply(blocks: rows, total: total, next: next)
  }

  public func sessions() -> SessionsReply {
    let (peers, sequences, names) = engine.state.withLock {
      ($0.peers, $0.core.openSequenceSnapshots(), $0.tenants)
    }
    let now = MonotonicClock.nowMs()
    let rows = peers.sorted { $0.key < $1.key }.map { id, peer in
      let own = sequences.filter { $0.session == id }
      return SessionStatus(
        id: id.rawValue, uid: peer.credentials.uid, tenant: names.name(peer.tenant), pid: peer.credentials.pid,
        client: peer.credentials.clientName,
        sequences: SequenceCounts(open: own.count { $0.isAdmitted }, queued: own.count { !$0.isAdmitted }),
        leases: own.reduce(0) { $0 + $1.leases }, staged: own.reduce(0) { $0 + $1.stagedSlots },
        connectedS: Double(now - peer.connectedAtMs) / 1000)
    }
    return SessionsReply(sessions: rows)
  }

  public func set(_ request: SetRequest) throws(ControlError) -> SetReply {
    let wanted = [
      (Tier.device, request.deviceBudgetBytes), (.host, request.hostBudgetBytes), (.disk, request.diskBudgetBytes),
    ].compactMap { tier, bytes in bytes.map { (tier, $0) } }
    let tenants = request.tenants ?? engine.state.withLock { $0.tenants.table }
    for (tier, bytes) in wanted { try check(tier, bytes) }
    try check(tenants, wanted)
    let nodes = try request.hostNodes.map { (nodes) throws(ControlError) in try check(nodes) }
    if request.tenants != nil { engine.setTenants(tenants) }
    for (tier, bytes) in wanted { engine.handle(.setBudget(tier, bytes: bytes)) }
    if let nodes { engine.handle(.setNodeBudgets(nodes)) }
    let now = engine.statistics()
    let rows = [("device", now.device), ("host", now.host), ("disk", now.disk)].filter { $0.1.budgetBytes > 0 }
    return SetReply(
      tiers: rows.map { .init(name: $0.0, budgetBytes: $0.1.budgetBytes, usedBytes: $0.1.usedBytes) })
  }

  /// Whether budgets as they will be hold what tenants will be guaranteed.
  private func check(_ tenants: TenantTable, _ wanted: [(Tier, Int)]) throws(ControlError) {
    let now = engine.statistics()
    for (tier, budget) in [(Tier.device, now.device), (.host, now.host), (.disk, now.disk)] {
      // A spill that cannot be had yet has its configured budget once it can.
      let inForce = budget.budgetBytes > 0 || tier != .disk ? budget.budgetBytes : engine.options.diskBytes
      let bytes = wanted.first { $0.0 == tier }?.1 ?? inForce
      if let fault = tenants.fault(ofBudget: bytes, tier) { throw .conflict(fault) }
    }
  }

  private func check(_ tier: Tier, _ bytes: Int) throws(ControlError) {
    let isThere = tier == .disk ? engine.spill != nil : tier == .host || engine.options.deviceBytes > 0
    guard isThere else { throw .conflict("there is no \(tier.name) tier: it is chosen when the daemon starts") }
    if tier == .disk {
      if let fault = engine.spill?.fault(ofCap: bytes) { throw .conflict(fault) }
      return
    }
    let smallest = engine.state.withLock { $0.core.smallestBudgetBytes(tier) }
    guard bytes >= max(smallest, 1) else {
      throw .conflict(
        "the open sequences need at least \(ByteCount.text(smallest)) of the \(tier.name) tier: set that, or drain first"
      )
    }
  }

  public func evict(_ request: EvictRequest) throws(ControlError) -> EvictReply {
    guard request.what == .unplanned else {
      throw .badRequest("only blocks that no open sequence names can be evicted: ask for 'unplanned'")
    }
    let before = memory()
    engine.handle(.evict(request.to == .disk ? .idleToDisk : .idleEverywhere))
    let after = memory()
    return EvictReply(
      blocks: max(0, before.blocks - after.blocks), bytes: max(0, before.bytes - after.bytes),
      pendingBlocks: request.to == .disk ? after.idle : 0, busyBlocks: request.to == .disk ? 0 : after.idle)
  }

  private func memory() -> (blocks: Int, bytes: Int, idle: Int) {
    let held = engine.state.withLock { $0.core.allBlocks() }.filter { $0.tiers.contains { $0 != .disk } }
    return (held.count, held.reduce(0) { $0 + $1.payloadBytes }, held.count { $0.users == 0 })
  }

  public func drain(deadlineMs: Int) throws(ControlError) -> DrainReply {
    let start = MonotonicClock.nowMs()
    let dirty = engine.drain(deadlineMs: deadlineMs)
    let open = engine.state.withLock { $0.core.openSequenceSnapshots().count }
    return DrainReply(
      drained: open == 0 && (dirty == 0 || engine.spill == nil), sequencesOpen: open, dirtyBlocks: dirty,
      elapsedMs: Int(MonotonicClock.nowMs() - start))
  }
}

/// What `status` reads of the core under its lock.
struct CoreReading {
  let statistics: StoreStatistics
  let pools: [PoolSnapshot]
  let tenants: [TenantSnapshot]
  let nodes: [NodeSnapshot]
  let arenas: [ArenaSnapshot]
  let isDraining: Bool
  let admitted: Int
  let queued: Int
  let leases: Int
  let blocks: [Tier: Int]

  init(_ core: ResidencyCore) {
    statistics = core.statisticsNow()
    pools = core.pools()
    tenants = core.tenantSnapshots()
    nodes = core.hostNodes()
    arenas = core.hostArenas()
    isDraining = core.isTakingNone
    let sequences = core.openSequenceSnapshots()
    admitted = sequences.count { $0.isAdmitted }
    queued = sequences.count - admitted
    leases = sequences.reduce(0) { $0 + $1.leases }
    blocks = core.allBlocks().reduce(into: [:]) { counts, block in
      for tier in block.tiers { counts[tier, default: 0] += 1 }
    }
  }
}

extension Spill {
  /// Why the cap could not be set; nil where it could.
  func fault(ofCap bytes: Int) -> String? {
    do throws(SpillError) {
      _ = try SegmentSize.choose(capBytes: bytes, asked: nil, besides: 0)
      return nil
    } catch { return error.message }
  }
}
