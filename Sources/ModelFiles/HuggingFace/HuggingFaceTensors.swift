/// Where a family's files depart from the canonical names and shapes.
enum HuggingFaceTensors {
  /// The canonical tensors that one of the file holds: mostly itself.
  static func canonical(
    _ tensor: TensorView, _ config: ModelConfig, path: String
  ) throws(ModelFileError) -> [TensorView] {
    guard HuggingFaceFamily(rawValue: config.architecture) == .llama4 else { return [tensor] }
    return try llama4(tensor, config, path: path)
  }

  /// Feed-forwards go by another name; experts lie [inputs][outputs], gate and up side by side; q and k turn by neighbours.
  private static func llama4(
    _ tensor: TensorView, _ config: ModelConfig, path: String
  ) throws(ModelFileError) -> [TensorView] {
    let name = tensor.name
    guard let cut = name.firstRange(of: ".feed_forward.") else {
      let isRotated = name.hasSuffix(TensorName.Layer.query.rawValue) || name.hasSuffix(TensorName.Layer.key.rawValue)
      guard isRotated, tensor.shape.count == 2, tensor.shape[0] % config.headDim == 0 else { return [tensor] }
      return [tensor.renamed(name, .interleaved(headDim: config.headDim), shape: tensor.shape)]
    }
    let prefix = name[..<cut.lowerBound]
    let rest = String(name[cut.upperBound...])
    func named(_ layer: TensorName.Layer) -> String { "\(prefix).\(layer.rawValue)" }
    switch rest {
    case "experts.gate_up_proj":
      let (count, inputs, outputs) = try experts(tensor, path: path)
      let half = outputs / 2
      return [(TensorName.Layer.expertGate, 0), (.expertUp, half)].map { layer, first in
        tensor.renamed(named(layer), .columns(count: outputs, first: first), shape: [count, half, inputs])
      }
    case "experts.down_proj":
      let (count, inputs, outputs) = try experts(tensor, path: path)
      let shape = [count, outputs, inputs]
      return [tensor.renamed(named(.expertDown), .columns(count: outputs, first: 0), shape: shape)]
    default:
      // A layer has a dense feed-forward or a shared expert, never both.
      let shared = "shared_expert."
      let canonical = "\(prefix).mlp.\(rest.hasPrefix(shared) ? String(rest.dropFirst(shared.count)) : rest)"
      return [tensor.renamed(canonical, .canonical, shape: tensor.shape)]
    }
  }

  private static func experts(_ tensor: TensorView, path: String) throws(ModelFileError) -> (Int, Int, Int) {
    guard tensor.shape.count == 3, tensor.type.elementsPerBlock == 1 else {
      throw .malformed(path: path, what: "tensor \(tensor.name) of shape \(tensor.shape) holds no experts")
    }
    return (tensor.shape[0], tensor.shape[1], tensor.shape[2])
  }
}

extension TensorView {
  fileprivate func renamed(_ name: String, _ order: RowOrder, shape: [Int]) -> TensorView {
    TensorView(
      name: name, fileName: fileName, shape: shape, type: type, unsafeBytes: unsafeBytes, rowOrder: order)
  }
}
