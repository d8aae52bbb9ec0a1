import TierTesting

/// One conversation that breaks the protocol, or the habits of its users, in one way.
struct Conversation {
  /// What it does wrong.
  enum Kind: String, CaseIterable, Codable {
    /// A right beginning, and then nobody.
    case halfFinished
    case bitFlips
    case truncated
    case oversized
    case reordered
    case repeated
    case garbage
    case wrongDescriptors
    case absurdNumbers
    case badHello
    case empty
    /// Asks and asks, and reads nothing; stays for a while.
    case neverReads
    /// Says nothing at all; stays for a while.
    case silent
    /// One byte of a frame at a time: each is a frame of its own here.
    case crumbs
  }

  let kind: Kind
  var frames: [[UInt8]]
  /// The frame that carries descriptors.
  var descriptorsAt: Int?
  /// Stays connected after it has said its say.
  var stays = false
  /// The daemon must hang up on it, whatever else.
  var mustEnd = false

  init(_ random: inout SeededRandom) {
    kind = Kind.allCases[random.int(0...Kind.allCases.count - 1)]
    frames = Self.script(&random)
    switch kind {
    case .halfFinished: frames.removeLast(random.int(1...frames.count - 1))
    case .bitFlips: for _ in 0..<random.int(1...6) { flip(&random) }
    case .truncated: cut(&random)
    case .oversized:
      let length = random.once(in: 2) ? 65_537 : random.int(65_537...180_000)
      frames = Array(frames.prefix(1)) + [[UInt8](repeating: 0x0A, count: length)]
      mustEnd = true
    case .reordered: frames.shuffle(using: &random)
    case .repeated: frames = frames.flatMap { [$0, $0] }
    case .garbage:
      let length = random.int(1...400)
      frames.insert((0..<length).map { _ in UInt8(random.int(0...255)) }, at: random.int(0...frames.count - 1))
    case .wrongDescriptors:
      frames = Array(frames.prefix(3))
      descriptorsAt = random.int(0...2)
      mustEnd = true
    case .absurdNumbers: for _ in 0..<random.int(1...3) { exaggerate(&random) }
    case .badHello:
      frames[0] = Self.badHello(&random)
      mustEnd = true
    case .empty: frames.insert([], at: random.int(0...frames.count - 1))
    case .neverReads:
      frames = Array(frames.prefix(3)) + Array(repeating: WireBytes.statistics, count: random.int(50...400))
      stays = true
    case .silent:
      frames = []
      stays = true
    case .crumbs: frames = frames.prefix(2).flatMap { $0.map { [$0] } }
    }
  }

  /// A whole conversation as a worker has it, its numbers drawn.
  private static func script(_ random: inout SeededRandom) -> [[UInt8]] {
    let sequence = UInt64(random.int(0...3))
    let (layers, blocks) = (UInt64(random.int(1...3)), UInt64(random.int(1...8)))
    let layer = UInt64(random.int(0...Int(layers) - 1))
    let range = [sequence, layer, 0, blocks]
    // Ids of their own: what others have sealed is not theirs to name.
    let ids = (0..<blocks * 32).map { _ in UInt8(random.int(0...255)) }
    return [
      WireBytes.hello(1, UInt64(random.int(1...2)), Array("hostile".utf8)),
      WireBytes.open(sequence, layers: layers, chunk: blocks, total: blocks, staging: blocks, ring: 1),
      WireBytes.extend(sequence, ids: ids), WireBytes.reserve(range), WireBytes.seal(range),
      WireBytes.acquire(range + [1]), WireBytes.release(range), WireBytes.statistics, WireBytes.trace,
      WireBytes.close(sequence),
    ]
  }

  private static func badHello(_ random: inout SeededRandom) -> [UInt8] {
    switch random.int(0...4) {
    case 0: WireBytes.hello(0, 0, [])
    case 1: WireBytes.hello(9, 3, Array("x".utf8))
    case 2: WireBytes.hello(1, 1, [UInt8](repeating: 0x61, count: random.int(65...5000)))
    case 3: WireBytes.hello(1, 1, [0x1B, 0x5B, 0x32, 0x4A])
    default: WireBytes.hello(77, 99, Array("of the future".utf8))
    }
  }

  /// A place in a frame that is not the hello's: what comes after it is to be reached.
  private func place(_ random: inout SeededRandom) -> (frame: Int, byte: Int) {
    let frame = random.int(frames.count > 1 && !random.once(in: 8) ? 1...frames.count - 1 : 0...0)
    return (frame, random.int(0...max(0, frames[frame].count - 1)))
  }

  private mutating func flip(_ random: inout SeededRandom) {
    let (frame, byte) = place(&random)
    guard !frames[frame].isEmpty else { return }
    frames[frame][byte] ^= 1 << UInt8(random.int(0...7))
  }

  private mutating func cut(_ random: inout SeededRandom) {
    let (frame, byte) = place(&random)
    frames[frame].removeSubrange(byte...)
  }

  private mutating func exaggerate(_ random: inout SeededRandom) {
    let (frame, byte) = place(&random)
    let most: [[UInt8]] = [
      [0xFF, 0xFF, 0xFF, 0xFF, 0x0F], [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01],
      [0x80, 0x80, 0x80, 0x02], [0x80, 0x80, 0x80, 0x80, 0x08],
    ]
    frames[frame].replaceSubrange(
      byte..<min(byte + 1, frames[frame].count), with: most[random.int(0...most.count - 1)])
    if random.once(in: 2) { lengthen(frame) }
  }

  /// Makes the outer length right again, so that what is inside is looked at.
  private mutating func lengthen(_ frame: Int) {
    guard frames[frame].count > 2 else { return }
    var whole = WireBytes()
    whole.data(Int(frames[frame][0] >> 3), Array(frames[frame].dropFirst(2)))
    frames[frame] = whole.bytes
  }
}
