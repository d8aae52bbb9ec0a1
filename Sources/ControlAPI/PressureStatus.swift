/// What the daemon sees of memory pressure, and what it does about it.
public struct PressureStatus: Codable, Sendable, Equatable {
  /// What is read, in words.
  public var sources: String
  /// Why the host tier has less than its budget now: `group_limit`, `machine_short`, `stalls` or `told`; nil where it has
  /// all of it.
  public var cause: String?
  /// The same as a sentence, and what an operator could do.
  public var message: String?
  public var advice: String?
  /// Of the latest half second or more, the share in percent in which some task of the daemon's control group, and of
  /// the machine, waited for memory.
  public var ownStallPercent: Int
  public var systemStallPercent: Int
  /// How often the host tier was made smaller, and larger again, since the start.
  public var shrinks: Int
  public var growths: Int
  /// Counters of the control group's `memory.events`: `high`, `max`, `oom`, `oom_kill`.
  public var limitEvents: [LimitEvents]

  public struct LimitEvents: Codable, Sendable, Equatable {
    public var name: String
    public var count: Int

    public init(name: String, count: Int) {
      self.name = name
      self.count = count
    }
  }

  public init(
    sources: String, cause: String? = nil, message: String? = nil, advice: String? = nil, ownStallPercent: Int = 0,
    systemStallPercent: Int = 0, shrinks: Int = 0, growths: Int = 0, limitEvents: [LimitEvents] = []
  ) {
    self.sources = sources
    self.cause = cause
    self.message = message
    self.advice = advice
    self.ownStallPercent = ownStallPercent
    self.systemStallPercent = systemStallPercent
    self.shrinks = shrinks
    self.growths = growths
    self.limitEvents = limitEvents
  }
}
