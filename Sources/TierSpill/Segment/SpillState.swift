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
}

extension Entry {
  /// The place a record's own header gives.
  init(_ header: RecordHeader) {
    self.init(
      layout: header.layout, segment: header.segment, offset: header.offset, recordBytes: header.recordBytes,
      generation: header.generation, originalChecksum: header.originalChecksum)
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
  /// Σ of all our files: segments and the store's identity.
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
  var counters = SpillCounters()
  /// Bytes of the live blocks before compression.
  var liveOriginalBytes = 0
  var lastError: SpillError?
  /// Files whose removal failed: counted, and tried again before space is asked for.
  var leftovers: [Leftover] = []

  init(capBytes: Int, segmentBytes: Int) {
    self.capBytes = capBytes
    self.ceilingBytes = capBytes
    self.segmentBytes = segmentBytes
  }

  var usedBytes: Int { fileBytes + foreignBytes }
  /// How many segments may be created: a writer leaves one in reserve, so that live records can always be moved.
  func creatableSegments(moving: Bool) -> Int {
    moving
      ? max(0, max(capBytes, ceilingBytes) - usedBytes) / segmentBytes
      : max(0, max(0, capBytes - usedBytes) / segmentBytes - 1)
  }

  /// Makes `entry` the block's one copy, unless a newer is known; the other is dead. Whether it was taken.
  mutating func publish(_ key: BlockKey, _ entry: Entry) -> Bool {
    guard let segment = segments[entry.segment], !segment.isRetired else { return false }
    if let old = index[key] {
      // Equal generations are copies of one record, met at recovery after a crash while it was being moved: the first
      // segment's counts, so that the half-filled target is empty and its space is free again.
      guard old.generation < entry.generation else { return false }
      release(old)
    }
    index[key] = entry
    segment.liveBytes += entry.recordBytes
    segment.liveRecords += 1
    liveOriginalBytes += entry.layout.payloadBytes
    return true
  }

  /// Removes the block. Its record is dead.
  mutating func forget(_ key: BlockKey) -> Bool {
    guard let entry = index.removeValue(forKey: key) else { return false }
    release(entry)
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
    guard let found = index[key], found.segment == entry.segment, found.offset == entry.offset else { return }
    index[key]?.isSuspect = isSuspect
  }

  /// Removes the block if its copy is still the one at that place.
  mutating func forget(_ key: BlockKey, ifAt entry: Entry) {
    guard let found = index[key], found.segment == entry.segment, found.offset == entry.offset else { return }
    _ = forget(key)
  }

  /// Points the block to the copy that was made of it, unless it was forgotten or written anew meanwhile.
  mutating func relocate(_ key: BlockKey, from old: Entry, to new: Entry) {
    guard let found = index[key], found.segment == old.segment, found.offset == old.offset,
      let segment = segments[new.segment]
    else { return }
    release(found)
    index[key] = new
    segment.liveBytes += new.recordBytes
    segment.liveRecords += 1
    liveOriginalBytes += new.layout.payloadBytes
  }

  private mutating func release(_ entry: Entry) {
    liveOriginalBytes -= entry.layout.payloadBytes
    guard let segment = segments[entry.segment] else { return }
    segment.liveBytes -= entry.recordBytes
    segment.liveRecords -= 1
  }

  /// Marks as retired every sealed segment in which nothing is alive or about to be, and names them.
  mutating func retireEmpty() -> [Segment] {
    let empty = segments.values.filter { $0.isSealed && !$0.isRetired && $0.liveRecords == 0 && $0.writers == 0 }
    for segment in empty { segment.isRetired = true }
    return empty
  }
}
