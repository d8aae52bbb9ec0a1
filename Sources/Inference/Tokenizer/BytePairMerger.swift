import ModelFiles

/// Byte-pair encoding of one piece at a time: the most urgent merge first, the leftmost of equals. A heap of candidates
/// over a linked list, so that a piece of n bytes takes O(n log n), whatever it is.
struct BytePairMerger: Sendable {
  private let merges: [TokenizerDescription.Merge]
  /// (left, right) packed -> index in `merges`, which is its urgency.
  private let ranks: [UInt64: UInt32]
  /// The token of each byte; nil where the vocabulary leaves it out.
  private let byteTokens: [Int32?]

  init(merges: [TokenizerDescription.Merge], byteTokens: [Int32?]) {
    self.merges = merges
    self.byteTokens = byteTokens
    var ranks: [UInt64: UInt32] = [:]
    ranks.reserveCapacity(merges.count)
    for (rank, merge) in merges.enumerated() { ranks[Self.pair(merge.left, merge.right)] = UInt32(rank) }
    self.ranks = ranks
  }

  private static func pair(_ left: Int32, _ right: Int32) -> UInt64 {
    UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
  }

  /// Reused from piece to piece.
  struct Scratch {
    fileprivate var symbols: [Symbol] = []
    fileprivate var candidates = MinHeap()
  }

  fileprivate struct Symbol {
    var token: Int32
    /// Neighbours that are still there; -1 at the ends.
    var previous: Int32
    var next: Int32
  }

  /// Appends the tokens of `piece` to `tokens`. Bytes without a token are passed over, as the reference does.
  func encode(
    _ piece: UnsafeBufferPointer<UInt8>, scratch: inout Scratch, into tokens: inout [UInt32]
  ) {
    scratch.symbols.removeAll(keepingCapacity: true)
    for byte in piece {
      guard let token = byteTokens[Int(byte)] else { continue }
      let index = Int32(scratch.symbols.count)
      scratch.symbols.append(Symbol(token: token, previous: index - 1, next: index + 1))
    }
    guard !scratch.symbols.isEmpty else { return }
    scratch.symbols[scratch.symbols.count - 1].next = -1
    for i in scratch.symbols.indices.dropLast() { propose(Int32(i), &scratch) }
    while let (rank, left) = scratch.candidates.pop() { apply(rank, at: left, &scratch) }
    var i: Int32 = 0
    while i >= 0 {
      tokens.append(UInt32(bitPattern: scratch.symbols[Int(i)].token))
      i = scratch.symbols[Int(i)].next
    }
  }

  private func propose(_ left: Int32, _ scratch: inout Scratch) {
    let symbol = scratch.symbols[Int(left)]
    guard symbol.next >= 0 else { return }
    guard let rank = ranks[Self.pair(symbol.token, scratch.symbols[Int(symbol.next)].token)] else { return }
    scratch.candidates.push(rank: rank, position: left)
  }

  /// Carries a candidate out unless its symbols have changed since it was proposed.
  private func apply(_ rank: UInt32, at left: Int32, _ scratch: inout Scratch) {
    let merge = merges[Int(rank)]
    var symbol = scratch.symbols[Int(left)]
    guard symbol.token == merge.left, symbol.next >= 0 else { return }
    let right = symbol.next
    guard scratch.symbols[Int(right)].token == merge.right else { return }
    symbol.token = merge.result
    symbol.next = scratch.symbols[Int(right)].next
    scratch.symbols[Int(left)] = symbol
    // No token: candidates that still name it are stale.
    scratch.symbols[Int(right)].token = -1
    if symbol.next >= 0 { scratch.symbols[Int(symbol.next)].previous = left }
    propose(left, &scratch)
    if symbol.previous >= 0 { propose(symbol.previous, &scratch) }
  }
}

/// Candidates by rank, then by position.
private struct MinHeap {
  private var keys: [UInt64] = []

  mutating func push(rank: UInt32, position: Int32) {
    keys.append(UInt64(rank) << 32 | UInt64(UInt32(bitPattern: position)))
    var child = keys.count - 1
    while child > 0, keys[child] < keys[(child - 1) / 2] {
      keys.swapAt(child, (child - 1) / 2)
      child = (child - 1) / 2
    }
  }

  mutating func pop() -> (rank: UInt32, position: Int32)? {
    guard let top = keys.first, let last = keys.popLast() else { return nil }
    if !keys.isEmpty {
      keys[0] = last
      var parent = 0
      while 2 * parent + 1 < keys.count {
        var child = 2 * parent + 1
        if child + 1 < keys.count, keys[child + 1] < keys[child] { child += 1 }
        guard keys[child] < keys[parent] else { break }
        keys.swapAt(child, parent)
        parent = child
      }
    }
    return (UInt32(top >> 32), Int32(bitPattern: UInt32(truncatingIfNeeded: top)))
  }
}
