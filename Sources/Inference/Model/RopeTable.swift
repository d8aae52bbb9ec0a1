import Glibc
import ModelFiles

/// Cosines and sines of a run of positions, for every pair of a head.
///
/// As Transformers' `LlamaRotaryEmbedding` forms them: the angle is the f32 product of position and inverse frequency;
/// its cosine and sine are taken in double and rounded once, then scaled where the embedding says so.
final class RopeTable {
  private let frequencies: [Float]
  private let factor: Float
  /// [position - first][headDim / 2]
  private(set) var cosines: AlignedBuffer
  private(set) var sines: AlignedBuffer

  init(_ rope: RotaryEmbedding, headDim: Int, maxPositions: Int) {
    frequencies = rope.inverseFrequencies(headDim: headDim)
    factor = rope.attentionFactor
    cosines = AlignedBuffer(floats: maxPositions * headDim / 2)
    sines = AlignedBuffer(floats: maxPositions * headDim / 2)
  }

  /// Fills the table for `positions`, at most as many as it was made for.
  func fill(_ positions: Range<Int>) {
    var i = 0
    for position in positions {
      for frequency in frequencies {
        let angle = Double(Float(position) * frequency)
        cosines.floats[i] = Float(cos(angle)) * factor
        sines.floats[i] = Float(sin(angle)) * factor
        i += 1
      }
    }
  }
}
