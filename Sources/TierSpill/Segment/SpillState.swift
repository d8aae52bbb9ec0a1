import TierCore

/// Where a block's record is.
struct Entry: Sendable, Hashable {
  let layout: BlockLayout
  let segment: UInt64
  let offset: Int
  let recordBytes: Int
  let generation: UInt64
  let originalChecksum: UInt64
  /// A read of it failed. It is tried again when asked for, but a new write is not taken for a duplicate of it.
  var isSuspect = false

  func isAt(_ other: Entry) -> Bool { segment == other.segment && offset == other.offset }
}

extension Entry {
  /// The place a record's own header gives.
  init(_ header: RecordHeader) {
    self.init(
      layout: header.layout, segment: header.segment, offset: header.offset, recordBytes: header.recordBytes,
      generation: header.generation, originalChecksum: header.originalChecksum)
  }

  init(_ entry: FooterEntry, segment: UInt64) {
    self.init(
      layout: entry.layout, segment: segment, offset: entry.offset, recordBytes: entry.recordBytes,
      generation: entry.generation, originalChecksum: entry.originalChecksum)
  }
}

/// A file that could not be removed, of a retired segment or of one whose creation failed.
struct Leftover {
  let name: String
  let bytes: Int
  let segment: Segment?
}

/// The index and the accounts, under one lock held for short times and never during I/O.
struct SpillState {
  var index: [BlockKey: Entry] = [:]
  /// All whose files take space, retired ones in use by readers included.
  var segments: [UInt64: Segment] = [:]
  /// Σ of all our files: segments, the store's identity, the tombstones.
  var fileBytes = 0
  /// Bytes of files in the directory that are not ours to touch.
  var foreignBytes = 0
  var capBytes: Int
  /// While the cap was lowered below the files: the old cap, under which live records may still be moved.
  var ceilingBytes: Int
  var segmentBytes: Int
  var nextSegment: UInt64 = 1
  var nextGeneration: UInt64 = 1
  var isClosed = false
  /// The directory is not at its path: nothing written now would be found again.
  var isDetached = false
  var counters = SpillCounters()
  /// Bytes of the live blocks before compression.
  var liveOriginalBytes = 0
  /// The last write, sync or change of the directory failed, and none has succeeded since.
  var writeFault: SpillError?
  /// The last read failed.
  var readFault: SpillError?
  /// Files whose removal failed: counted, and tried again before space is asked for.
  var leftovers: [Leftover] = []
  /// Made ahead, so that a writer need not wait for the file system.
  var ready: Segment?
  /// Segments that hold blocks nobody has looked for yet.
  var unscanned: [UInt64] = []
  /// Set aside: processes crashed in their recovery.
  var crashedSegments: Set<UInt64> = []
  var tombstones = TombstoneState()
  /// Blocks that were durable and cannot be vouched for any more; to be told.
  var lost: [BlockKey] = []
  var report = RecoveryReport()

  init(capBytes: Int, segmentBytes: Int) {
    self.capBytes = capBytes
    self.ceilingBytes = capBytes
    self.segmentBytes = segmentBytes
  }

  var usedBytes: Int { fileBytes + foreignBytes }
  var isRecovering: Bool { !unscanned.isEmpty }

  /// How many segments may be created: a writer leaves one in reserve, so that live records can always be moved.
  func creatableSegments(moving: Bool) -> Int {
    moving
      ? max(0, max(capBytes, ceilingBytes) - usedBytes) / segmentBytes
      : max(0, max(0, capBytes - usedBytes) / segmentBytes - 1)
  }

  /// Makes `entry` the block's one copy, unless a newer is known; the other is dead. Whether it was taken.
  mutating func publish(_ key: BlockKey, _ entry: Entry) -> Bool {
    guard let segment = segments[entry.segment], !segment.isRetired else { return false }
    if tombstones.kills(key, entry) {
      bury(key, entry)
      return false
    }
    if let old = index[key] {
      // Equal generations are copies of one record, met at recovery after a crash while it was being moved: the first
      // one found counts, so that the half-filled target is empty and its space is free again.
      guard old.generation < entry.generation else {
        bury(key, entry)
        return false
      }
      release(key, old)
    }
    index[key] = entry
    segment.liveBytes += entry.recordBytes
    segment.liveRecords += 1
    liveOriginalBytes += entry.layout.payloadBytes
    return true
  }

  /// Removes the block. Its record is dead.
  mutating func forget(_ key: BlockKey) -> Bool {
    // What a segment not scanned yet holds of it is dead, too.
    if isRecovering { tombstones.setBound(key, nextGeneration) }
    guard let entry = index.removeValue(forKey: key) else { return false }
    release(key, entry)
    return true
  }

  /// The bytes on disk of a copy that makes writing `block` needless.
  func durableCopy(of block: BlockWrite) -> Int? {
    guard let entry = index[block.key], !entry.isSuspect, entry.layout == block.layout,
      entry.originalChecksum == block.checksum
    else { return nil }
    return entry.recordBytes
  }

  mutating func setSuspect(_ key: BlockKey, _ entry: Entry, _ isSuspect: Bool) {
    guard index[key]?.isAt(entry) == true else { return }
    index[key]?.isSuspect = isSuspect
  }

  /// Removes the block if its copy is still the one at that place. Whether it was.
  @discardableResult
  mutating func forget(_ key: BlockKey, ifAt entry: Entry) -> Bool {
    guard index[key]?.isAt(entry) == true else { return false }
    return forget(key)
  }

  /// Removes a block that was durable and turns out not to be: its owner is told.
  mutating func lose(_ key: BlockKey, ifAt entry: Entry) {
    if forget(key, ifAt: entry) { lost.append(key) }
  }

  /// Points the block to the copy that was made of it, unless it was forgotten or written anew meanwhile.
  mutating func relocate(_ key: BlockKey, from old: Entry, to new: Entry) {
    guard let segment = segments[new.segment], let found = index[key], found.isAt(old) else {
      bury(key, new)
      return
    }
    release(key, found)
    index[key] = new
    segment.liveBytes += new.recordBytes
    segment.liveRecords += 1
    liveOriginalBytes += new.layout.payloadBytes
  }

  private mutating func release(_ key: BlockKey, _ entry: Entry) {
    liveOriginalBytes -= entry.layout.payloadBytes
    guard let segment = segments[entry.segment] else { return }
    segment.liveBytes -= entry.recordBytes
    segment.liveRecords -= 1
    bury(key, entry)
  }

  /// Notes that the copy at that place is dead, so that it stays so after a restart.
  mutating func bury(_ key: BlockKey, _ entry: Entry) {
    guard segments[entry.segment]?.isUnlinked == false else { return }
    tombstones.add(Tombstone(key: key, generation: entry.generation, segment: entry.segment))
  }

  /// Marks as retired every full segment in which nothing is alive or about to be; their files are to be removed.
  mutating func retireEmpty() {
    for segment in segments.values
    where segment.isFull && !segment.isRetired && !segment.isUnscanned && segment.liveRecords == 0
      && segment.writers == 0
    {
      retire(segment)
    }
  }

  mutating func retire(_ segment: Segment) {
    guard !segment.isRetired else { return }
    segment.isRetired = true
    segment.needsFooter = false
    leftovers.append(Leftover(name: SegmentName.of(segment.number), bytes: segment.fileBytes, segment: segment))
  }
}

/// What is dead and must stay so.
struct TombstoneState {
  /// In the file.
  private(set) var kept: Set<Tombstone> = []
  /// To be written to it.
  private(set) var pending: [Tombstone] = []
  /// Blocks forgotten while segments are unscanned: what they hold of lower generations is dead.
  private var bounds: [BlockKey: UInt64] = [:]

  mutating func load(_ found: [Tombstone]) {
    kept = Set(found)
  }

  mutating func setBound(_ key: BlockKey, _ generation: UInt64) {
    bounds[key] = max(bounds[key] ?? 0, generation)
  }

  mutating func endRecovery() { bounds = [:] }

  /// Whether a copy found at recovery is dead.
  func kills(_ key: BlockKey, _ entry: Entry) -> Bool {
    if let bound = bounds[key], entry.generation < bound { return true }
    return !kept.isEmpty
      && kept.contains(Tombstone(key: key, generation: entry.generation, segment: entry.segment))
  }

  mutating func add(_ tombstone: Tombstone) {
    if !kept.contains(tombstone) { pending.append(tombstone) }
  }

  mutating func takePending() -> [Tombstone] {
    defer { pending = [] }
    return pending
  }

  mutating func giveBack(_ tombstones: [Tombstone]) { pending = tombstones + pending }
  mutating func didWrite(_ tombstones: [Tombstone]) { kept.formUnion(tombstones) }

  /// Drops those whose segments are gone.
  mutating func prune(_ exists: (UInt64) -> Bool) {
    kept = kept.filter { exists($0.segment) }
    pending.removeAll { !exists($0.segment) }
  }
}
