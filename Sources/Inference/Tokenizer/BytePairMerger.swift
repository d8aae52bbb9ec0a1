import ModelFiles

/// Byte-pair encoding of one piece at a time: the most urgent merge first, the leftmost of equals. A heap of candidates
/// over a linked list, so that a piece of n bytes takes O(n log n), whatever it is.
struct BytePairMerger: Sendable {
  private struct Outcome {
    /// Less is more urgent.
    let rank: UInt32
    let token: Int32
  }

  /// By (left, right), packed.
  private let outcomes: [UInt64: Outcome]
  /// The token of each byte; nil where the vocabulary leaves it out.
  private let byteTokens: [Int32?]

  /// - Parameter ranksByResult: merges into one token, which follow one another, are equally urgent.
  init(merges: [TokenizerDescription.Merge], byteTokens: [Int32?], ranksByResult: Bool = false) {
    self.byteTokens = byteTokens
    var outcomes: [UInt64: Outcome] = [:]
    outcomes.reserveCapacity(merges.count)
    var rank: UInt32 = 0
    for (index, merge) in merges.enumerated() {
      if !ranksByResult || index == 0 || merge.result != merges[index - 1].result { rank = UInt32(index) }
      outcomes[Self.pair(merge.left, merge.right)] = Outcome(rank: rank, token: merge.result)
    }
    self.outcomes = outcomes
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
      if let token = byteTokens[Int(byte)] { append(token, &scratch) }
    }
    merge(&scratch, into: &tokens)
  }

  /// Appends what `initial` tokens merge into.
  func encode(_ initial: [Int32], scratch: inout Scratch, into tokens: inout [UInt32]) {
    scratch.symbols.removeAll(keepingCapacity: true)
    for token in initial { append(token, &scratch) }
    merge(&scratch, into: &tokens)
  }

  private func append(_ token: Int32, _ scratch: inout Scratch) {
    let index = Int32(scratch.symbols.count)
    scratch.symbols.append(Symbol(token: token, previous: index - 1, next: index + 1))
  }

  private func merge(_ scratch: inout Scratch, into tokens: inout [UInt32]) {
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
    guard let outcome = outcomes[Self.pair(symbol.token, scratch.symbols[Int(symbol.next)].token)] else { return }
    scratch.candidates.push(rank: outcome.rank, position: left)
  }

  /// Carries a candidate out unless its symbols have changed since it was proposed.
  private func apply(_ rank: UInt32, at left: Int32, _ scratch: inout Scratch) {
    var symbol = scratch.symbols[Int(left)]
    guard symbol.token >= 0, symbol.next >= 0 else { return }
    let right = symbol.next
    let outcome = outcomes[Self.pair(symbol.token, scratch.symbols[Int(right)].token)]
    guard let outcome, outcome.rank == rank else { return }
    symbol.token = outcome.token
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
