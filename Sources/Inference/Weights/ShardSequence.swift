import TierCore

/// The shards of one kind in a store: leased while they are used, and filled again where the store let them go.
///
/// One is in use at a time. Where it is lost, it is packed into the worker's staging slots and used there; then it is
/// sealed, and the store keeps it or not.
final class ShardSequence {
  private enum Part {
    case leased(SlotRef, generation: UInt64)
    case staged(UInt32)
  }

  private let id: SequenceID
  private let parts: Int
  private let session: any ResidencySession
  private let plan: SequencePlan
  private let ids: [BlockID]
  private var staging = ArenaID(0)
  private var isAdmitted = false
  private var isQueued = false
  private var named = 0
  private var chunk = 0
  private var latest = -1
  private var index = 0
  private var answers: [Int: Answer] = [:]
  private var sealsAwaited = 0
  private var inUse: [Part] = []
  var observer: (any RunObserver)?

  private enum Answer {
    case leased(SlotRef, generation: UInt64)
    case lost
    case staged(Staged)
  }

  /// How long nothing may come from the store.
  static let stallDeadlineMs = 60_000
  static let admissionDeadlineMs = 600_000
  private static let maxAttempts = 8

  /// - Parameters:
  ///   - shards: of this kind, used in a cycle.
  ///   - slotBytes: of the largest part.
  ///   - ids: of the parts; the index of a shard is its layer.
  ///   - mayWait: for other sequences to end, where their memory is needed first.
  init(
    session: any ResidencySession, sequence: SequenceID, shards: Int, slotBytes: Int, ids: [BlockID], ringSlots: Int,
    mayWait: Bool
  ) throws(KVError) {
    guard let layout = BlockLayout.weights(byteCount: slotBytes) else {
      throw .badLayout("a weight shard of \(slotBytes) bytes is more than a slot may have")
    }
    self.session = session
    self.ids = ids
    id = sequence
    parts = ids.count
    plan = SequencePlan(
      sequence: sequence, layout: layout, layers: shards, chunkBlocks: parts, totalBlocks: parts, stagingSlots: parts,
      ringSlots: ringSlots, ordered: true)
    try send(.open(plan))
    try wait("admission", deadlineMs: Self.admissionDeadlineMs) { $0.isAdmitted || ($0.isQueued && !mayWait) }
    guard isAdmitted else { throw .noRoom }
    try send(.extend(sequence, blocks: ids))
    try wait("the names of \(parts) weight shards") { $0.named == $0.parts }
  }

  /// The parts of a shard, valid until `end`.
  /// - Parameter fill: packs the parts that have a place.
  func begin(
    _ index: Int, fill: ([UnsafeMutableRawPointer?]) throws -> Void
  ) throws -> [UnsafeRawPointer] {
    precondition(inUse.isEmpty, "one shard is in use at a time")
    if index <= latest { chunk += 1 }
    latest = index
    self.index = index
    var found: [Part?] = Array(repeating: nil, count: parts)
    for _ in 0..<Self.maxAttempts {
      let missing = found.indices.filter { found[$0] == nil }
      if missing.isEmpty { break }
      for part in missing { try acquire(part, &found) }
      for part in missing where found[part] == nil { try reserve(part, &found) }
    }
    guard found.allSatisfy({ $0 != nil }) else {
      throw KVError.neverCurrent(layer: index, block: found.firstIndex { $0 == nil }!, attempts: Self.maxAttempts)
    }
    inUse = found.map { $0! }
    var targets: [UnsafeMutableRawPointer?] = []
    for part in inUse { targets.append(try stagingAddress(part)) }
    if targets.contains(where: { $0 != nil }) { try observer.measure(.pack(layer: index)) { try fill(targets) } }
    return try inUse.enumerated().map { number, part in
      if let target = targets[number] { return UnsafeRawPointer(target) }
      return try address(part)
    }
  }

  /// - Throws: `.neverCurrent` where a slot was reused while it was leased: what was computed with it is void.
  func end() throws {
    let parts = inUse
    inUse = []
    for (number, part) in parts.enumerated() {
      switch part {
      case .leased(let slot, let generation):
        let isCurrent = session.isCurrent(slot, generation: generation)
        try send(.release(id, layer: index, blocks: number..<number + 1))
        guard isCurrent else { throw KVError.neverCurrent(layer: index, block: number, attempts: 1) }
      case .staged:
        sealsAwaited += 1
        try send(.seal(id, layer: index, blocks: number..<number + 1))
      }
    }
  }

  private func acquire(_ part: Int, _ found: inout [Part?]) throws(KVError) {
    answers[part] = nil
    try send(.acquire(id, chunk: chunk, layer: index, blocks: part..<part + 1))
    try wait("weights of layer \(index)") { $0.answers[part] != nil }
    if case .leased(let slot, let generation) = answers[part] { found[part] = .leased(slot, generation: generation) }
  }

  private func reserve(_ part: Int, _ found: inout [Part?]) throws(KVError) {
    // The slot of this part is free once the store has taken in what was packed there before.
    try wait("\(sealsAwaited) weight shards to be taken in") { $0.sealsAwaited == 0 }
    answers[part] = nil
    try send(.reserve(id, layer: index, blocks: part..<part + 1))
    try wait("a staging slot for weights") { $0.answers[part] != nil }
    if case .staged(.slot(let slot)) = answers[part] { found[part] = .staged(slot) }
  }

  private func stagingAddress(_ part: Part) throws(KVError) -> UnsafeMutableRawPointer? {
    guard case .staged(let slot) = part else { return nil }
    do throws(ResidencyError) {
      let bytes = try session.stagingBytes(arena: staging, slot: slot)
      guard bytes.count >= plan.layout.payloadBytes, let base = bytes.baseAddress else {
        throw .badSlot("staging slot \(slot) has \(bytes.count) bytes, a shard \(plan.layout.payloadBytes)")
      }
      return base
    } catch {
      throw .residency(error)
    }
  }

  private func address(_ part: Part) throws(KVError) -> UnsafeRawPointer {
    guard case .leased(let slot, _) = part else { preconditionFailure("staged parts have their own address") }
    do throws(ResidencyError) {
      let bytes = try session.bytes(of: slot)
      guard bytes.count >= plan.layout.payloadBytes, let base = bytes.baseAddress else {
        throw .badSlot("slot \(slot.index) has \(bytes.count) bytes, a shard \(plan.layout.payloadBytes)")
      }
      return base
    } catch {
      throw .residency(error)
    }
  }

  private func send(_ request: Request) throws(KVError) {
    do throws(ResidencyError) { try session.send(request) } catch { throw .residency(error) }
  }

  private func wait(
    _ what: @autoclosure () -> String, deadlineMs: Int = ShardSequence.stallDeadlineMs,
    until isDone: (ShardSequence) -> Bool
  ) throws(KVError) {
    if isDone(self) { return }
    let beganNs = RunClock.nowNs()
    defer { observer?.record(.wait(.weights), beganNs: beganNs, endedNs: RunClock.nowNs()) }
    let clock = ContinuousClock()
    var last = clock.now
    while !isDone(self) {
      let reply: Reply?
      do throws(ResidencyError) { reply = try session.receive(timeoutMs: 1000) } catch { throw .residency(error) }
      if let reply {
        try take(reply)
        last = clock.now
      } else if clock.now - last > .milliseconds(deadlineMs) {
        throw .stalled(waitedFor: what(), seconds: deadlineMs / 1000)
      }
    }
  }

  private func take(_ reply: Reply) throws(KVError) {
    switch reply {
    case .admitted(_, let arena, _):
      staging = arena
      isAdmitted = true
    case .queued: isQueued = true
    case .durable: break
    case .refused(_, let refusal): throw .refused(refusal)
    case .extended(_, let count, _): named = count
    case .reserved(_, _, let first, let slots):
      for (i, slot) in slots.enumerated() { answers[first + i] = .staged(slot) }
    case .sealed: sealsAwaited -= 1
    case .acquired(_, _, let first, let residences):
      for (i, residence) in residences.enumerated() {
        switch residence {
        case .resident(let slot, let generation): answers[first + i] = .leased(slot, generation: generation)
        case .moving: break
        case .lost: answers[first + i] = .lost
        }
      }
    case .ready(_, _, let block, let slot, let generation): answers[block] = .leased(slot, generation: generation)
    case .lost(_, _, let block): answers[block] = .lost
    case .closed: throw .unexpected("\(reply)")
    case .violation(let violation): throw .violation(violation)
    }
  }
}
