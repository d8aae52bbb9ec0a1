import TierCore

/// What one session is told of its blocks' moves: a bounded queue of records, filled as moves end and emptied as it asks.
///
/// A move is in it where this session named the block, and with this session's names: what other sessions of the tenant
/// have besides never shows.
struct SessionTrace {
  /// About two seconds of moves of small blocks between two questions; 1.5 MB.
  static let recordsMax = 1 << 14

  private struct Place {
    let sequence: SequenceID
    let block: Int
  }
  private struct Names {
    let layers: Int
    var count = 0
  }

  private let tenant: TenantID
  private var open: [SequenceID: Names] = [:]
  /// Where the session has each block. The blocks of closed sequences stay until another is opened: they are still being
  /// written when their worker asks for the last time.
  private var places: [BlockID: Place] = [:]
  private var layers: [SequenceID: Int] = [:]
  private var records: [TraceRecord] = []
  private var next = 0
  private var dropped = 0

  init(tenant: TenantID) { self.tenant = tenant }

  /// Takes note of what the session names.
  mutating func note(_ request: Request) {
    switch request {
    case .open(let plan):
      forgetClosed()
      open[plan.sequence] = Names(layers: plan.layers)
      layers[plan.sequence] = plan.layers
    case .extend(let sequence, let blocks):
      guard let first = open[sequence]?.count else { return }
      for (i, block) in blocks.enumerated() { places[block] = Place(sequence: sequence, block: first + i) }
      open[sequence]!.count += blocks.count
    case .close(let sequence): open[sequence] = nil
    case .reserve, .seal, .acquire, .release: break
    }
  }

  private mutating func forgetClosed() {
    guard layers.count > open.count else { return }
    places = places.filter { open[$0.value.sequence] != nil }
    layers = layers.filter { open[$0.key] != nil }
  }

  mutating func record(_ identity: MoveIdentity, _ ended: EndedMove) {
    guard identity.key.tenant == tenant, let place = places[identity.key.id],
      let layers = layers[place.sequence], Int(identity.key.layer) < layers
    else { return }
    append(
      .move(
        TracedMove(
          link: identity.link, mover: ended.mover, sequence: place.sequence, layer: Int(identity.key.layer),
          block: place.block, bytes: identity.bytes, beganNs: ended.beganNs, endedNs: ended.endedNs,
          outcome: TracedOutcome(ended.outcome))))
  }

  mutating func recordStatistics(atNs: UInt64) { append(.statistics(atNs: atNs)) }

  private mutating func append(_ record: TraceRecord) {
    guard records.count - next < Self.recordsMax else {
      dropped += 1
      return
    }
    records.append(record)
  }

  mutating func take() -> MoveTrace {
    let end = min(records.count, next + MoveTrace.maxRecords)
    defer {
      next = end
      dropped = 0
      if next == records.count {
        records.removeAll(keepingCapacity: true)
        next = 0
      } else if next >= Self.recordsMax / 2 {
        records.removeFirst(next)
        next = 0
      }
    }
    return MoveTrace(records: Array(records[next..<end]), dropped: dropped, left: records.count - end)
  }
}

/// A move that a mover has ended, and when.
struct EndedMove: Sendable {
  let move: MoveID
  let outcome: MoveOutcome
  /// Which of its kind carried it.
  let mover: Int
  let beganNs: UInt64
  let endedNs: UInt64
}
