import CKernels
import Synchronization

/// A level of the kernels, under the name that tests show.
struct Level: Sendable, Equatable, CustomStringConvertible {
  let cap: ck_level
  static let scalar = Level(cap: CK_SCALAR)
  var description: String { String(cString: ck_level_name(cap)) }

  /// Whether attention in bf16 rounds its weights to bf16 here.
  var roundsWeights: Bool { cap.rawValue >= CK_AVX512_BF16.rawValue }
}

/// Every level this machine can run.
let levels: [Level] = (0...ck_best_level().rawValue).map { Level(cap: ck_level(rawValue: $0)) }

private let capInUse = Mutex<Void>(())

/// Runs `body` with the level capped. The cap is the process's: one test at a time holds it.
func atLevel<Result>(_ level: Level, _ body: () throws -> Result) rethrows -> Result {
  try capInUse.withLock { _ in
    ck_set_level(level.cap)
    defer { ck_set_level(CK_AMX_BF16) }
    return try body()
  }
}

/// xorshift64*: the same numbers on every run.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64
  init(_ seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }

  mutating func next() -> UInt64 {
    state ^= state >> 12
    state ^= state << 25
    state ^= state >> 27
    return state &* 0x2545_F491_4F6C_DD1D
  }

  mutating func floats(_ count: Int, in range: ClosedRange<Float> = -2...2) -> [Float] {
    (0..<count).map { _ in Float.random(in: range, using: &self) }
  }
}

extension [Float] {
  /// Bits, so that NaN equals itself and 0 differs from -0.
  var bits: [UInt32] { map(\.bitPattern) }
}
