/// How much of its budget a tier in this machine's memory may use, given what the machine says of its memory. Pure: time
/// comes in with each reading.
///
/// Limits and free memory say how much there is: the tier is brought below them in a few steps. Waiting tasks only say
/// that there is too little: then it gives way step by step until they no longer wait. It grows back once it has been
/// calm for a while, in steps, and only as far as there would be room if the tier were full; where that turns out
/// wrong, it waits longer before the next time.
public struct PressurePolicy: Sendable {
  /// Of a budget, in parts.
  enum Share {
    /// The most given back at one reading: the store serves between two of them.
    static let largestStep = 4
    static let squeeze = 16
    static let growth = 8
    static let smallestGrowth = 64
    /// Never less than this of the budget: what open sequences need beyond it, the core keeps.
    static let floor = 16
  }
  /// One part in so many of a budget is never given back, whatever the machine says.
  public static var shareThatStays: Int { Share.floor }
  /// Below a limit there stays room for what else the process does: less, and the tier shrinks to twice as much.
  static func margin(ofLimit bytes: Int) -> Int { min(max(bytes / 32, 4 << 20), 256 << 20) }
  /// Of the machine's memory, what stays free for others.
  static func reserve(ofMachine bytes: Int) -> Int { min(max(bytes / 20, 32 << 20), 1 << 30) }

  static let sampleMs: UInt64 = 500
  static let ownStallPercent = 10
  static let systemStallPercent = 20
  static let calmStallPercent = 2
  /// Waiting that a step down was meant to end goes on for a little while after it.
  static let settleMs: UInt64 = 1000
  static let calmMs: UInt64 = 5_000
  static let calmMsMost: UInt64 = 20_000
  static let growMs: UInt64 = 1000
  /// Pressure so soon after a step up came of it.
  static let regretMs: UInt64 = 10_000

  /// What the tier may use; nil where all of its budget.
  public private(set) var allowanceBytes: Int?
  /// Why, as long as there is an allowance: the latest reason to lower it.
  public private(set) var cause: PressureCause?
  /// The share of time, in percent, in which tasks of the own group and of the machine waited, in the latest sample.
  public private(set) var ownStall = 0
  public private(set) var systemStall = 0

  private var ownSample: Sample?
  private var systemSample: Sample?
  private var calmSinceMs: UInt64?
  private var lastShrinkMs: UInt64?
  private var lastGrowthMs: UInt64?
  private var calmNeededMs = Self.calmMs

  private struct Sample {
    var stallUs: UInt64
    var atMs: UInt64
  }

  public init() {}

  /// Takes a reading; answers whether the allowance is another one now.
  /// - Parameters:
  ///   - budgetBytes: what the operator gave the tier.
  ///   - committedBytes: what the tier takes of the machine's memory.
  public mutating func take(
    _ reading: MemoryReading, budgetBytes: Int, committedBytes: Int, nowMs: UInt64
  ) -> Bool {
    let before = allowanceBytes
    let hasSample = sample(reading, nowMs)
    let now = min(allowanceBytes ?? budgetBytes, budgetBytes)
    let tier = TierUse(budget: budgetBytes, committed: committedBytes, allowance: now)
    let floor = max(1, budgetBytes / Share.floor)
    var target = now
    if let (bytes, why) = Self.ceiling(reading, tier), bytes < target { (target, cause) = (bytes, why) }
    if let why = squeezing(reading, tier, hasSample, nowMs) {
      target = min(target, min(now, committedBytes) - max(1, budgetBytes / Share.squeeze))
      cause = why
    }
    if target < now {
      lower(to: max(target, floor, now - max(1, budgetBytes / Share.largestStep)), nowMs)
    } else {
      rise(reading, tier, nowMs)
    }
    return allowanceBytes != before
  }

  private struct TierUse {
    let budget: Int
    let committed: Int
    let allowance: Int
    /// What it may still come to take; negative while it still gives back.
    var toCome: Int { allowance - committed }
  }

  /// What is left under each limit once the tier has taken all it may, and what should be.
  private static func rooms(_ reading: MemoryReading, _ tier: TierUse) -> [(room: Int, margin: Int, PressureCause)] {
    var rooms = reading.groups.map { group in
      (
        group.limitBytes - group.usedBytes - tier.toCome, margin(ofLimit: group.limitBytes),
        PressureCause.groupLimit(name: group.name, limitBytes: group.limitBytes, isHard: group.isHard)
      )
    }
    if let available = reading.availableBytes, let total = reading.totalBytes {
      rooms.append((available - tier.toCome, reserve(ofMachine: total), .machineShort(availableBytes: available)))
    }
    return rooms
  }

  /// The lowest of what the limits leave room for, where one of them is too near.
  private static func ceiling(_ reading: MemoryReading, _ tier: TierUse) -> (Int, PressureCause)? {
    rooms(reading, tier).filter { $0.room < $0.margin }
      .map { (tier.allowance - (2 * $0.margin - $0.room), $0.2) }.min { $0.0 < $1.0 }
  }

  /// Whether tasks wait for memory and nothing says how much it would take.
  private mutating func squeezing(
    _ reading: MemoryReading, _ tier: TierUse, _ hasSample: Bool, _ nowMs: UInt64
  ) -> PressureCause? {
    // What was asked for first must come to be first.
    guard tier.committed <= tier.allowance, lastShrinkMs.map({ nowMs >= $0 + Self.settleMs }) ?? true else {
      return nil
    }
    if reading.isTold { return .told }
    guard hasSample else { return nil }
    if ownStall >= Self.ownStallPercent { return .stalls(percent: ownStall, isOwn: true) }
    // Those of another group at a limit of its own are not helped by our memory.
    let isScarce = reading.availableBytes.flatMap { free in reading.totalBytes.map { free < $0 / 8 } } ?? true
    if isScarce, systemStall >= Self.systemStallPercent { return .stalls(percent: systemStall, isOwn: false) }
    return nil
  }

  /// Whether there is a new figure for how much time is spent waiting.
  private mutating func sample(_ reading: MemoryReading, _ nowMs: UInt64) -> Bool {
    let isNew = Self.sample(&ownSample, &ownStall, reading.ownStallUs, nowMs)
    return Self.sample(&systemSample, &systemStall, reading.systemStallUs, nowMs) || isNew
  }

  private static func sample(_ last: inout Sample?, _ percent: inout Int, _ stallUs: UInt64?, _ nowMs: UInt64) -> Bool {
    guard let stallUs else { return false }
    guard let earlier = last else {
      last = Sample(stallUs: stallUs, atMs: nowMs)
      return false
    }
    guard nowMs >= earlier.atMs + sampleMs else { return false }
    // A group made anew counts from zero.
    let waitedUs = stallUs >= earlier.stallUs ? stallUs - earlier.stallUs : 0
    percent = Int(min(waitedUs / (nowMs - earlier.atMs) / 10, 100))
    last = Sample(stallUs: stallUs, atMs: nowMs)
    return true
  }

  private mutating func lower(to bytes: Int, _ nowMs: UInt64) {
    if let lastGrowthMs, nowMs < lastGrowthMs + Self.regretMs {
      calmNeededMs = min(calmNeededMs * 2, Self.calmMsMost)
    }
    (allowanceBytes, calmSinceMs, lastShrinkMs, lastGrowthMs) = (bytes, nil, nowMs, nil)
  }

  private mutating func rise(_ reading: MemoryReading, _ tier: TierUse, _ nowMs: UInt64) {
    guard allowanceBytes != nil else { return }
    let spare = Self.rooms(reading, tier).map { $0.room - 2 * $0.margin }.min() ?? .max
    let isCalm = !reading.isTold && ownStall <= Self.calmStallPercent && spare > tier.budget / Share.smallestGrowth
    guard isCalm else {
      calmSinceMs = nil
      return
    }
    let since = calmSinceMs ?? nowMs
    calmSinceMs = since
    guard nowMs >= since + calmNeededMs, lastGrowthMs.map({ nowMs >= $0 + Self.growMs }) ?? true else { return }
    let step = min(max(1, tier.budget / Share.growth), spare)
    lastGrowthMs = nowMs
    guard tier.allowance < tier.budget - step else {
      (allowanceBytes, cause, calmNeededMs) = (nil, nil, Self.calmMs)
      return
    }
    allowanceBytes = tier.allowance + step
  }
}
