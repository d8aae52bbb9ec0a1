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
    panelLogits = model.compute.threads.map { _ in AlignedBuffer(floats: rows * PackedMatrix.panelOutputs) }
    normed = model.compute.threads.map { _ in
      AlignedBuffer(byteCount: rows * config.hidden * model.compute.type.sizeBytes)
    }
  }

  /// The logits of one row of the last chunk, [vocab]; valid until the next call.
  public func logits(row: Int) throws -> UnsafeBufferPointer<Float> {
    let (compute, head) = (model.compute, model.weights.head)
    norm(row..<row + 1, into: normed[0])
    try compute.pool.run(head.panels.count) { panel, thread in
      let into = panelLogits[thread].floats
      try multiply(panel, rows: 1, normed[0], into: into, thread)
      (logits.floats + head.panels[panel].lowerBound).update(from: into, count: head.panels[panel].count)
    }
    return UnsafeBufferPointer(start: logits.floats, count: model.config.vocab)
  }

  /// -log p of `targets[i]` after row `first + i` of the last chunk, by log-softmax in f32.
  public func negativeLogLikelihoods(of targets: ArraySlice<UInt32>, firstRow first: Int) throws -> [Float] {
    for target in targets where Int(target) >= model.config.vocab {
      throw InferenceError.tokenOutOfRange(token: target, vocab: model.config.vocab)
    }
    let targets = Array(targets)
    let tiles = targets.count.dividedRoundingUp(by: Self.tileRows)
    return try [Float](unsafeUninitializedCapacity: targets.count) { result, count in
      let base = result.baseAddress
      try model.compute.pool.run(tiles) { tile, thread in
        let range = tile * Self.tileRows..<min((tile + 1) * Self.tileRows, targets.count)
        try score(range, targets, first, into: base! + range.lowerBound, thread)
      }
      count = targets.count
    }
  }

  private func score(
    _ range: Range<Int>, _ targets: [UInt32], _ first: Int, into result: UnsafeMutablePointer<Float>, _ thread: Int
  ) throws {
    let (head, row) = (model.weights.head, panelLogits[thread].floats)
    norm(first + range.lowerBound..<first + range.upperBound, into: normed[thread])
    var sums = Array(repeating: RunningSum(), count: range.count)
    for (panel, outputs) in head.panels.enumerated() {
      try multiply(panel, rows: range.count, normed[thread], into: row, thread)
      for i in 0..<range.count {
        let logits = UnsafeBufferPointer(start: row + i * outputs.count, count: outputs.count)
        sums[i].add(logits)
        let target = Int(targets[range.lowerBound + i])
        if outputs.contains(target) { sums[i].target = logits[target - outputs.lowerBound] }
      }
    }
    for i in 0..<range.count { (result + i).initialize(to: sums[i].negativeLogLikelihood) }
  }

  private func norm(_ rows: Range<Int>, into target: AlignedBuffer) {
    let config = model.config
    ck_rms_norm(
      model.residual.floats + rows.lowerBound * config.hidden, model.weights.finalNorm.floats, config.rmsEps,
      target.base, model.compute.type.kernelType, rows.count, config.hidden)
  }

  private func multiply(
    _ panel: Int, rows: Int, _ source: AlignedBuffer, into target: UnsafeMutablePointer<Float>, _ thread: Int
  ) throws {
    try model.weights.head.multiply(
      panel: panel, rows: rows, source: source.base, target: target, compute: model.compute, thread: thread)
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
