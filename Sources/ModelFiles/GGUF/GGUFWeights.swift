/// The tensors of a GGUF file under canonical names.
struct GGUFWeights: WeightSource {
  let path: String
  let names: [String]
  let mappedFiles: [MappedFile]
  private let views: [String: TensorView]

  init(_ gguf: GGUFFile, _ config: ModelConfig) {
    path = gguf.file.path
    mappedFiles = [gguf.file]
    var views: [String: TensorView] = [:]
    let names = GGUFName(config)
    let permutes = GGUFFamily(rawValue: config.architecture)?.rotatesNeighbours ?? false
    for tensor in gguf.tensors {
      // Taken into the configuration, or recomputed from it.
      if tensor.name == GGUFName.ropeDivisors || tensor.name.hasSuffix(".attn_rot_embd.weight") { continue }
      let (name, isRotated) = names.canonical(tensor.name)
      views[name] = TensorView(
        name: name, fileName: tensor.name, shape: tensor.shape, type: tensor.type,
        unsafeBytes: MappedBytes(file: gguf.file, range: tensor.range),
        rowOrder: isRotated && permutes ? .interleaved(headDim: config.headDim) : .canonical)
    }
    self.views = views
    self.names = views.keys.sorted()
  }

  func find(_ name: String) -> TensorView? { views[name] }
}
