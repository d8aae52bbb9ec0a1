import Glibc

extension ConfigurationReader {
  /// The one rotary embedding of a model: `rope_parameters` (new) holds theta and scaling; before, `rope_theta` stood
  /// beside `rope_scaling`.
  func rope(context: Int, theta: Double = 10_000) throws(ModelFileError) -> RotaryEmbedding {
    let section = json.present("rope_parameters") == nil ? section("rope_scaling") : section("rope_parameters")
    let rotated = try section.number("partial_rotary_factor", default: number("partial_rotary_factor", default: 1))
    guard rotated == 1 else {
      throw .unsupportedFeature(path: path, feature: "partial_rotary_factor \(rotated)")
    }
    let base = try section.number("rope_theta", default: number("rope_theta", default: theta))
    return RotaryEmbedding(theta: Float(base), scaling: try section.scaling(context: context))
  }

  /// The scaling that this section describes.
  func scaling(context: Int) throws(ModelFileError) -> RotaryEmbedding.Scaling {
    // Older still: the kind was called `type`.
    let kind = try string("rope_type", default: string("type", default: "default"))
    switch kind {
    case "default":
      return .none
    case "linear":
      return .linear(factor: Float(try number("factor")))
    case "llama3":
      return .llama3(
        factor: Float(try number("factor")),
        lowFrequencyFactor: Float(try number("low_freq_factor")),
        highFrequencyFactor: Float(try number("high_freq_factor")),
        originalContext: try integer("original_max_position_embeddings", default: context))
    case "yarn":
      return .yarn(try yarn(context: context))
    default:
      throw .unsupportedFeature(path: path, feature: "rope scaling \(kind)")
    }
  }

  private func yarn(context: Int) throws(ModelFileError) -> RotaryEmbedding.Yarn {
    for key in ["mscale", "mscale_all_dim"] where json.present(key) != nil {
      throw .unsupportedFeature(path: path, feature: "rope scaling yarn with \(key)")
    }
    let factor = try number("factor")
    return RotaryEmbedding.Yarn(
      factor: Float(factor),
      betaFast: Float(try number("beta_fast", default: 32)),
      betaSlow: Float(try number("beta_slow", default: 1)),
      originalContext: try integer("original_max_position_embeddings", default: context),
      attentionFactor: Float(
        try number("attention_factor", default: RotaryEmbedding.Yarn.attentionFactor(of: factor))),
      truncates: try bool("truncate", default: true))
  }
}

extension RotaryEmbedding.Yarn {
  /// What the paper recommends: 0.1 ln(factor) + 1.
  static func attentionFactor(of factor: Double) -> Double { factor <= 1 ? 1 : 0.1 * log(factor) + 1 }
}
