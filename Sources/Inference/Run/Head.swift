import CKernels
import Glibc
import ModelFiles

/// The output head over the rows a model holds: logits, or how likely given tokens were.
public final class Head {
  private let model: Transformer
  private let logits: AlignedBuffer
  /// [thread]: a panel's logits of `tileRows` rows, and the rows' maxima and sums.
  private let panelLogits: [AlignedBuffer]
  private let normed: [AlignedBuffer]

  static let tileRows = 64

  public init(_ model: Transformer) {
    self.model = model
    let (config, rows) = (model.config, Compute.maxRows)
    logits = AlignedBuffer(floats: config.vocab)
    panelLogits = model.compute.threads.map { _ in AlignedBuffer(floats: rows * MatrixLayout.panelOutputs) }
    normed = model.compute.threads.map { _ in
      AlignedBuffer(byteCount: rows * config.hidden * model.compute.type.sizeBytes)
    }
  }

  /// The logits of one row of the last chunk, [vocab]; valid until the next call.
  public func logits(row: Int) throws -> UnsafeBufferPointer<Float> {
    norm(row..<row + 1, into: normed[0])
    for piece in model.weights.headPieces.indices {
      try withPiece(piece) { matrix, first in
        try model.compute.pool.run(matrix.panels.count) { panel, thread in
          let into = panelLogits[thread].floats
          try multiply(matrix, panel, rows: 1, normed[0], into: into, thread, isDecoding: true)
          (logits.floats + first + matrix.panels[panel].lowerBound).update(
            from: into, count: matrix.panels[panel].count)
        }
      }
    }
    cap(logits.floats, count: model.config.vocab)
    return UnsafeBufferPointer(start: logits.floats, count: model.config.vocab)
  }

  /// -log p of `targets[i]` after row `first + i` of the last chunk, by log-softmax in f32.
  public func negativeLogLikelihoods(of targets: ArraySlice<UInt32>, firstRow first: Int) throws -> [Float] {
    for target in targets where Int(target) >= model.config.vocab {
      throw InferenceError.tokenOutOfRange(token: target, vocab: model.config.vocab)
    }
    let targets = Array(targets)
    let tiles = targets.count.dividedRoundingUp(by: Self.tileRows)
    var sums = Array(repeating: RunningSum(), count: targets.count)
    // A piece is had once for all rows.
    try sums.withUnsafeMutableBufferPointer { sums in
      nonisolated(unsafe) let sums = sums
      for piece in model.weights.headPieces.indices {
        try withPiece(piece) { matrix, firstOutput in
          try model.compute.pool.run(tiles) { tile, thread in
            let range = tile * Self.tileRows..<min((tile + 1) * Self.tileRows, targets.count)
            norm(first + range.lowerBound..<first + range.upperBound, into: normed[thread])
            try add(matrix, firstOutput, targets[range], to: sums.extracting(range), thread)
          }
        }
      }
    }
    return sums.map(\.negativeLogLikelihood)
  }

  /// Calls `body` with a piece of the head and its first output.
  private func withPiece(_ piece: Int, _ body: (PackedMatrix, Int) throws -> Void) throws {
    let keeper = model.weights.keeper
    let matrix = try keeper.beginHead(piece)
    try body(matrix, model.weights.headPieces[piece].lowerBound)
    try keeper.endHead(piece)
  }

  /// Adds the logits of some rows to their sums.
  private func add(
    _ matrix: PackedMatrix, _ firstOutput: Int, _ targets: ArraySlice<UInt32>,
    to sums: UnsafeMutableBufferPointer<RunningSum>, _ thread: Int
  ) throws {
    let row = panelLogits[thread].floats
    for (panel, outputs) in matrix.panels.enumerated() {
      try multiply(matrix, panel, rows: targets.count, normed[thread], into: row, thread)
      cap(row, count: targets.count * outputs.count)
      for (i, target) in targets.enumerated() {
        let logits = UnsafeBufferPointer(start: row + i * outputs.count, count: outputs.count)
        sums[i].add(logits)
        let local = Int(target) - firstOutput
        if outputs.contains(local) { sums[i].target = logits[local - outputs.lowerBound] }
      }
    }
  }

  private func cap(_ logits: UnsafeMutablePointer<Float>, count: Int) {
    if let cap = model.config.logitSoftCap { ck_soft_cap(logits, cap, count) }
  }

  private func norm(_ rows: Range<Int>, into target: AlignedBuffer) {
    let config = model.config
    ck_rms_norm(
      model.residual.floats + rows.lowerBound * config.hidden, model.weights.finalNorm.floats, config.rmsEps,
      target.base, model.compute.type.kernelType, rows.count, config.hidden)
  }

  private func multiply(
    _ matrix: PackedMatrix, _ panel: Int, rows: Int, _ source: AlignedBuffer, into target: UnsafeMutablePointer<Float>,
    _ thread: Int, isDecoding: Bool = false
  ) throws {
    try matrix.multiply(
      panel: panel, rows: rows, source: source.base, target: target, compute: model.compute, thread: thread,
      isDecoding: isDecoding)
  }
}

/// log(sum(exp(logits))) of one row, a panel at a time.
private struct RunningSum {
  var target: Float = 0
  private var maximum = -Float.infinity
  private var sum = 0.0

  var negativeLogLikelihood: Float { Float(log(sum)) + maximum - target }

  mutating func add(_ logits: UnsafeBufferPointer<Float>) {
    var highest = maximum
    for x in logits where x > highest { highest = x }
    if highest > maximum {
      sum *= Double(expf(maximum - highest))
      maximum = highest
    }
    var part: Float = 0
    for x in logits { part += expf(x - maximum) }
    sum += Double(part)
  }
}
