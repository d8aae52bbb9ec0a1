/// A sliding view of a file for a scanner, in a lane's buffer. While one piece of the file is looked at the next ones are
/// being read; what a record has in one piece is copied before its rest in the next. A piece that cannot be read is read
/// again as it is asked for, so that one bad sector costs no more than the record it is in.
struct ScanWindow: ~Copyable {
  private let lane: any IOLane
  private let deadlineMs: Int
  /// What of the file is in the buffer, and where.
  private var range = 0..<0
  private var bufferOffset = 0
  /// Pieces being read, or read and not looked at yet, in the file's order.
  private var ahead: [Piece] = []
  /// Where the piece lies that `range` ends with.
  private var slot = 0
  /// Where the next piece to be read starts in the file.
  private var nextOffset = 0
  /// Up to there nothing is read ahead: a piece failed.
  private var singlyUntil = 0
  private var fileName = ""

  private struct Piece {
    let slot: Int
    let offset: Int
    let count: Int
    let deadlineNs: UInt64
    var result: Int?
  }

  private static let pieceBytes = 1 << 20
  /// Before each piece: what of a record the piece before it has. Larger records are read singly.
  private static let carryBytes = 2 << 20
  private static let slotBytes = carryBytes + pieceBytes
  private static let slots = 4
  /// What a lane for a window holds at first. It grows to the largest record met, which a segment's size bounds.
  static let bytes = slots * slotBytes

  init(_ lane: any IOLane, deadlineMs: Int) {
    self.lane = lane
    self.deadlineMs = deadlineMs
  }

  /// Forgets what it holds; another file may come.
  mutating func reset() throws(SpillError) {
    try drain()
    range = 0..<0
    singlyUntil = 0
  }

  /// `count` bytes at `offset`, nil where the file ends before. `offset` is aligned. They are valid until the next call.
  mutating func bytes(
    of file: any SpillFile, at offset: Int, count: Int, end: Int
  ) throws(SpillError) -> UnsafeRawBufferPointer? {
    guard offset + count <= end else { return nil }
    while offset < range.lowerBound || offset + count > range.upperBound {
      let isNext = range.contains(offset) || offset == range.upperBound
      guard isNext, offset >= singlyUntil, range.upperBound - offset <= Self.carryBytes, !ahead.isEmpty else {
        if try begin(at: offset, count: count, of: file, end: end) { continue }
        return try single(of: file, at: offset, count: count, end: end)
      }
      guard try advance(from: offset, of: file, end: end) else { return nil }
    }
    let start = bufferOffset + offset - range.lowerBound
    return UnsafeRawBufferPointer(rebasing: lane.buffer[start..<start + count])
  }

  /// Starts reading ahead from `offset`. False where that would not do: the record is too large, or a piece failed here.
  private mutating func begin(
    at offset: Int, count: Int, of file: any SpillFile, end: Int
  ) throws(SpillError) -> Bool {
    try drain()
    guard offset >= singlyUntil, count <= Self.carryBytes else { return false }
    try lane.reserve(Self.bytes)
    fileName = file.name
    range = offset..<offset
    nextOffset = offset
    readAhead(of: file, end: end)
    return true
  }

  /// Makes the next piece part of the range. False where the file turns out to be shorter.
  private mutating func advance(from offset: Int, of file: any SpillFile, end: Int) throws(SpillError) -> Bool {
    while ahead[0].result == nil { try collect(from: file) }
    let piece = ahead.removeFirst()
    let result = piece.result ?? 0
    guard result >= 0 else {
      try drain()
      singlyUntil = piece.offset + piece.count
      return true
    }
    let carried = range.upperBound - offset
    let place = piece.slot * Self.slotBytes + Self.carryBytes
    if carried > 0 {
      let from = bufferOffset + offset - range.lowerBound
      lane.bytes(place - carried..<place).copyMemory(from: UnsafeRawBufferPointer(lane.bytes(from..<from + carried)))
    }
    bufferOffset = place - carried
    range = offset..<piece.offset + result
    slot = piece.slot
    guard result == piece.count else { return false }
    readAhead(of: file, end: end)
    return true
  }

  /// Into every slot but the one that is looked at.
  private mutating func readAhead(of file: any SpillFile, end: Int) {
    while ahead.count < Self.slots - 1, nextOffset < end {
      let free = ((ahead.last?.slot ?? slot) + 1) % Self.slots
      let count = min(Self.pieceBytes, (end - nextOffset).roundedUp(to: RecordHeader.mostAlignBytes))
      let place = free * Self.slotBytes + Self.carryBytes
      lane.submit(.read, file, at: nextOffset, place..<place + count, tag: free)
      ahead.append(
        Piece(
          slot: free, offset: nextOffset, count: min(count, end - nextOffset),
          deadlineNs: MonotonicClock.nowNs() + UInt64(deadlineMs) * 1_000_000))
      nextOffset += count
    }
  }

  /// Waits for a piece to be read, not necessarily the first.
  private mutating func collect(from file: any SpillFile) throws(SpillError) {
    guard let oldest = ahead.first(where: { $0.result == nil }) else { return }
    guard let ended = lane.next(untilNs: oldest.deadlineNs) else {
      throw .timedOut(operation: "reading", file: file.name, afterMs: deadlineMs)
    }
    for i in ahead.indices where ahead[i].slot == ended.tag { ahead[i].result = min(ended.result, ahead[i].count) }
  }

  /// Lets what is being read end: the buffer is needed for something else.
  private mutating func drain() throws(SpillError) {
    while lane.inFlight > 0 {
      guard lane.next(untilNs: MonotonicClock.nowNs() + UInt64(deadlineMs) * 1_000_000) != nil else {
        throw .timedOut(operation: "reading", file: fileName, afterMs: deadlineMs)
      }
    }
    ahead = []
    range = 0..<0
  }

  /// What was asked for and no more.
  private mutating func single(
    of file: any SpillFile, at offset: Int, count: Int, end: Int
  ) throws(SpillError) -> UnsafeRawBufferPointer? {
    try lane.reserve(count)
    range = 0..<0
    let got = try lane.read(0..<count, of: file, at: offset, deadlineMs: deadlineMs)
    return got >= count ? UnsafeRawBufferPointer(lane.bytes(0..<count)) : nil
  }

  /// Reads `count` bytes and writes them at their place once more: for a recovered tail.
  mutating func rewrite(_ file: any SpillFile, at offset: Int, count: Int) throws(SpillError) {
    try drain()
    guard try single(of: file, at: offset, count: count, end: offset + count) != nil else { return }
    try lane.write(0..<count, to: file, at: offset, deadlineMs: deadlineMs)
  }
}
