/// What the store has promised of a sequence's blocks, in this life of the daemon and in the one before.
struct Promises {
  private let layers: Int
  private var held: [Bool]
  private var durable: [Bool]
  private var before: [(held: Bool, durable: Bool)] = []
  /// Blocks the sequence has read past, and where it was when the daemon went away.
  var reached = 0
  private var reachedBefore = 0

  init(layers: Int, blocks: Int) {
    self.layers = layers
    held = Array(repeating: false, count: layers * blocks)
    durable = held
  }

  /// The same sequence, begun anew with the daemon's next life.
  func afterRestart() -> Promises {
    var next = Promises(layers: layers, blocks: held.count / layers)
    next.before = zip(held, durable).map { (held: $0, durable: $1) }
    next.reachedBefore = reached
    return next
  }

  func isHeld(_ layer: Int, _ block: Int) -> Bool { held[block * layers + layer] }
  mutating func hold(_ layer: Int, _ block: Int, _ isHeld: Bool) { held[block * layers + layer] = isHeld }
  mutating func isDurable(_ layer: Int, _ block: Int) { durable[block * layers + layer] = true }

  /// A staging slot was given for a block, so the store does not have it: was that promised otherwise?
  mutating func missed(_ layer: Int, _ block: Int, _ prompt: StressPrompt, _ report: Report) {
    guard !before.isEmpty else { return }
    let promise = before[block * layers + layer]
    before[block * layers + layer] = (false, false)
    // What a sliding or chunked layer has passed is nobody's any more.
    guard block >= prompt.model.firstInReach(layer, before: reachedBefore) else { return }
    if promise.durable {
      report.tally.durableLostByRestart += 1
    } else if promise.held {
      report.tally.acceptedLostByRestart += 1
    }
  }
}
