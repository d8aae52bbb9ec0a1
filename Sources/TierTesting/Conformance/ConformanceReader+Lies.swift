import TierCore

extension ConformanceReader {
  /// Departs from the plan it declared: births come in any order of layers, blocks are acquired in any order, many times or
  /// never, for chunks that are not next. What it is shown is checked all the same; what is lost stays lost.
  public func readAgainstPlan(seed: UInt64) throws -> Outcome {
    var random = SeededRandom(seed: seed)
    try open()
    var cells = (0..<plan.layers).flatMap { layer in (0..<plan.totalBlocks).map { (layer: layer, block: $0) } }
    // A third of what it named is never born.
    cells.shuffle(using: &random)
    let born = cells.prefix(cells.count * 2 / 3)
    for cell in born {
      try session.send(.reserve(plan.sequence, layer: cell.layer, blocks: cell.block..<cell.block + 1))
      guard case .reserved(_, cell.layer, cell.block, let staged) = try next() else {
        throw Fault(description: "expected reserved")
      }
      try fill(cell.layer, cell.block..<cell.block + 1, staged)
    }
    for _ in 0..<2 * born.count {
      guard let cell = cells.randomElement(using: &random) else { break }
      try acquireOne(cell.layer, cell.block, chunk: Int(random.next() >> 34))
    }
    try session.send(.close(plan.sequence))
    while true { if case .closed = try next() { return outcome } }
  }

  private func acquireOne(_ layer: Int, _ block: Int, chunk: Int) throws {
    try session.send(.acquire(plan.sequence, chunk: chunk, layer: layer, blocks: block..<block + 1))
    guard case .acquired(_, layer, block, let states) = try next(), let state = states.first else {
      throw Fault(description: "expected acquired")
    }
    switch state {
    case .resident(let slot, let generation): try use(layer, block, slot, generation)
    case .lost: outcome.lost += 1
    case .moving:
      switch try next() {
      case .ready(_, layer, block, let slot, let generation): try use(layer, block, slot, generation)
      case .lost(_, layer, block): outcome.lost += 1
      case let other: throw Fault(description: "expected ready or lost, got \(other)")
      }
    }
  }
}
