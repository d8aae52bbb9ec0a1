/// A trace in a few figures: what each link did, how much of it was hidden behind compute, what was waited for.
public struct TraceSummary: Sendable, Encodable, Equatable {
  public struct Link: Sendable, Encodable, Equatable {
    public let name: String
    /// That arrived.
    public let moves: Int
    public let bytes: Int
    /// That did not.
    public let failed: Int
    /// Time in which at least one move was under way.
    public let busyMs: Double
    /// The part of it in which the worker computed.
    public let hiddenPercent: Double

    public init(name: String, moves: Int, bytes: Int, failed: Int, busyMs: Double, hiddenPercent: Double) {
      self.name = name
      self.moves = moves
      self.bytes = bytes
      self.failed = failed
      self.busyMs = busyMs
      self.hiddenPercent = hiddenPercent
    }
  }
  public struct Wait: Sendable, Encodable, Equatable {
    public let cause: String
    public let waits: Int
    public let ms: Double

    public init(cause: String, waits: Int, ms: Double) {
      self.cause = cause
      self.waits = waits
      self.ms = ms
    }
  }

  public let links: [Link]
  public let waits: [Wait]
  public let computeMs: Double
  /// Moves the store had no room to note: the links' figures lack them.
  public let droppedMoves: Int
  public let isComplete: Bool

  public init(_ trace: TraceEvents) {
    let timed = trace.events.compactMap { event in event.range.map { (event, $0) } }
    // A head's span holds the waits for its weights.
    let compute = Intervals(timed.filter { $0.0.cat == TraceNames.compute }.map(\.1))
      .subtracting(Intervals(timed.filter { $0.0.cat == TraceNames.wait }.map(\.1)))
    let moves = Dictionary(grouping: timed.filter { $0.0.cat == TraceNames.move }) { $0.0.args?.link ?? "" }
    links = moves.sorted { $0.key < $1.key }.map { name, moves in
      let busy = Intervals(moves.map(\.1))
      let arrived = moves.filter { $0.0.args?.outcome == nil }
      return Link(
        name: name, moves: arrived.count, bytes: arrived.reduce(0) { $0 + ($1.0.args?.bytes ?? 0) },
        failed: moves.count - arrived.count, busyMs: Self.ms(busy.length),
        hiddenPercent: busy.length > 0 ? 100 * Double(busy.overlap(compute)) / Double(busy.length) : 0)
    }
    let waited = Dictionary(grouping: timed.filter { $0.0.cat == TraceNames.wait }) { $0.0.name }
    waits = waited.sorted { $0.key < $1.key }.map { cause, waits in
      Wait(cause: cause, waits: waits.count, ms: Self.ms(waits.reduce(0) { $0 + UInt64($1.1.count) }))
    }
    computeMs = Self.ms(compute.length)
    droppedMoves = trace.events.filter { $0.name == TraceNames.dropped }.reduce(0) { $0 + ($1.args?.records ?? 0) }
    isComplete = trace.isComplete
  }

  private static func ms(_ ns: UInt64) -> Double { Double(ns) / 1e6 }
}
