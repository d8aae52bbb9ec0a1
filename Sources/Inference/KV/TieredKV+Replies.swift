import TierCore

extension TieredKV {
  func send(_ request: Request) throws(KVError) {
    do throws(ResidencyError) {
      try session.send(request)
    } catch {
      throw .residency(error)
    }
  }

  /// Handles what has come, without waiting.
  func drain() throws(KVError) {
    while try receive(timeoutMs: 0) {}
  }

  /// Handles replies until `isDone`; gives up when none comes for the deadline. Counted as a stall unless it was done.
  func wait(
    _ cause: WaitCause, for what: @autoclosure () -> String, deadlineMs: Int? = nil,
    until isDone: (borrowing State) -> Bool
  ) throws(KVError) {
    try waitForReplies(cause, what(), deadlineMs: deadlineMs) { isDone($0.state) }
  }

  func waitForReplies(
    _ cause: WaitCause, _ what: @autoclosure () -> String, deadlineMs: Int? = nil, until isDone: (TieredKV) -> Bool
  ) throws(KVError) {
    try drain()
    if isDone(self) { return }
    let beganNs = RunClock.nowNs()
    var lastNs = beganNs
    let deadlineMs = deadlineMs ?? options.stallDeadlineMs
    defer {
      let endedNs = RunClock.nowNs()
      statistics.stalls += 1
      statistics.stallNanoseconds += Int64(endedNs - beganNs)
      observer?.record(.wait(cause), beganNs: beganNs, endedNs: endedNs)
    }
    while !isDone(self) {
      let leftMs = deadlineMs - Int((RunClock.nowNs() - lastNs) / 1_000_000)
      guard leftMs > 0 else { throw .stalled(waitedFor: what(), seconds: deadlineMs / 1000) }
      if try receive(timeoutMs: min(1000, leftMs)) { lastNs = RunClock.nowNs() }
    }
  }

  /// - Returns: whether a reply came.
  private func receive(timeoutMs: Int) throws(KVError) -> Bool {
    let reply: Reply?
    do throws(ResidencyError) {
      reply = try session.receive(timeoutMs: timeoutMs)
    } catch {
      throw .residency(error)
    }
    guard let reply else { return false }
    try handle(reply)
    return true
  }

  private func handle(_ reply: Reply) throws(KVError) {
    switch reply {
    case .admitted(_, let arena, let slots): state.staging = (arena, slots)
    case .queued(_, let ahead): onQueued(ahead)
    case .refused(_, let refusal): state.refusal = refusal
    case .extended(_, let named, let cached):
      state.named = named
      cachedBlocks = cached
    case .reserved(_, let layer, let first, let slots):
      try update(layer, reply) { step in
        guard case .asked = step.staging, first == step.ownFull.lowerBound, slots.count == step.ownFull.count else {
          return false
        }
        step.staging = .granted(slots)
        return true
      }
      try advance()
    case .sealed(_, _, _, let outcome): count(outcome)
    case .durable: statistics.blocksDurable += 1
    case .acquired(_, let layer, let first, let residences): try lease(layer, first, residences, reply)
    case .ready(_, let layer, let block, let slot, let generation):
      try update(layer, reply) { $0.lease(block, slot, generation: generation) }
      try advance()
    case .lost(_, let layer, let block):
      try update(layer, reply) { step in
        step.lose(block)
        return true
      }
    case .closed: state.isClosed = true
    case .violation(let violation): throw .violation(violation)
    }
  }

  private func count(_ outcome: SealOutcome) {
    state.sealsAwaited -= 1
    switch outcome {
    case .accepted: statistics.blocksSealed += 1
    case .duplicate: statistics.blocksDuplicate += 1
    case .dropped: statistics.blocksDropped += 1
    }
  }

  private func lease(_ layer: Int, _ first: Int, _ residences: [Residence], _ reply: Reply) throws(KVError) {
    for (i, residence) in residences.enumerated() {
      switch residence {
      case .resident(let slot, let generation):
        statistics.hits += 1
        try update(layer, reply) { $0.lease(first + i, slot, generation: generation) }
      case .moving: statistics.misses += 1
      case .lost:
        try update(layer, reply) { step in
          step.lose(first + i)
          return true
        }
      }
    }
    try advance()
  }

  /// Applies a reply to the layer it is about.
  private func update(_ layer: Int, _ reply: Reply, _ change: (inout LayerStep) -> Bool) throws(KVError) {
    let isExpected =
      if current?.layer == layer { change(&current!) } else if upcoming?.layer == layer { change(&upcoming!) } else {
        false
      }
    guard isExpected else { throw .unexpected("\(reply)") }
  }
}
