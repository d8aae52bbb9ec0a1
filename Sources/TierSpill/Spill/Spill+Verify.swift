import Glibc
import Synchronization
public import TierCore

/// What a verification has found so far.
public struct Verification: Sendable, Hashable {
  public struct Damage: Sendable, Hashable {
    public let key: BlockKey
    public let why: String
  }

  /// Records there were when it began, and their bytes on disk.
  public var records = 0
  public var bytes = 0
  public var verifiedRecords = 0
  public var verifiedBytes = 0
  /// Forgotten meanwhile.
  public var goneRecords = 0
  /// The disk did not answer; they stay.
  public var unreadableRecords = 0
  /// Did not verify, and were dropped; the first of them by name.
  public var damagedRecords = 0
  public var damage: [Damage] = []
  public var elapsedMs = 0

  public static let damageListed = 100

  public init() {}
}

extension Spill {
  /// Reads every record and verifies its identity, its stored bytes and its original bytes, at no more than so many bytes
  /// of disk a second, beside whatever else is going on. What does not verify is dropped, and its owner told. `progress` is
  /// called now and then; false ends it.
  public func verify(bytesPerSecond: Int?, progress: (Verification) -> Bool) -> Verification {
    let startNs = MonotonicClock.nowNs()
    var report = Verification()
    let all = state.withLock { state in state.index.map { ($0.key, $0.value) } }
      .sorted { ($0.1.segment, $0.1.offset) < ($1.1.segment, $1.1.offset) }
    report.records = all.count
    report.bytes = all.reduce(0) { $0 + $1.1.recordBytes }
    var rest = all[...]
    var readBytes = 0
    while !rest.isEmpty {
      let group = takeGroup(&rest)
      verify(group, &report)
      readBytes += group.reduce(0) { $0 + $1.1.recordBytes }
      wakeKeeper()
      report.elapsedMs = Int((MonotonicClock.nowNs() - startNs) / 1_000_000)
      guard progress(report) else { break }
      if let bytesPerSecond, bytesPerSecond > 0 {
        pause(untilNs: startNs + UInt64(Double(readBytes) / Double(bytesPerSecond) * 1e9), report, progress)
      }
    }
    return report
  }

  private static var groupBytes: Int { 2 << 20 }

  private func takeGroup(_ rest: inout ArraySlice<(BlockKey, Entry)>) -> [(BlockKey, Entry)] {
    var bytes = 0
    let group = rest.prefix { item in
      bytes += item.1.layout.payloadBytes
      return bytes <= Self.groupBytes
    }
    let taken = group.isEmpty ? rest.prefix(1) : group
    rest = rest.dropFirst(taken.count)
    return Array(taken)
  }

  private func verify(_ group: [(BlockKey, Entry)], _ report: inout Verification) {
    let bytes = group.reduce(0) { $0 + $1.1.layout.payloadBytes }
    guard let memory = AlignedBuffer(bytes: bytes) else {
      report.unreadableRecords += group.count
      return
    }
    defer { withExtendedLifetime(memory) {} }
    var at = 0
    let reads = group.map { key, entry in
      defer { at += entry.layout.payloadBytes }
      return BlockRead(
        key: key, layout: entry.layout,
        destination: UnsafeMutableRawBufferPointer(rebasing: memory.bytes[at..<at + entry.layout.payloadBytes]))
    }
    for (item, outcome) in zip(group, read(batch: reads, for: .verification)) {
      switch outcome {
      case .ok:
        report.verifiedRecords += 1
        report.verifiedBytes += item.1.recordBytes
      case .missing: report.goneRecords += 1
      case .failed: report.unreadableRecords += 1
      case .corrupt(let why):
        report.damagedRecords += 1
        if report.damage.count < Verification.damageListed { report.damage.append(.init(key: item.0, why: why)) }
      }
    }
  }

  /// In short naps, so that an end is noticed.
  private func pause(untilNs: UInt64, _ report: Verification, _ progress: (Verification) -> Bool) {
    while true {
      let now = MonotonicClock.nowNs()
      guard now < untilNs, progress(report) else { return }
      usleep(UInt32(min(50_000, (untilNs - now) / 1000 + 1)))
    }
  }
}
