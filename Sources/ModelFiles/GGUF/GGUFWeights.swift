/// The tensors of a GGUF Llama under canonical names.
struct GGUFWeights: WeightSource {
  let path: String
  let names: [String]
  let mappedFiles: [MappedFile]
  private let views: [String: TensorView]

  init(_ gguf: GGUFFile, headDim: Int) {
    path = gguf.file.path
    mappedFiles = [gguf.file]
    var views: [String: TensorView] = [:]
    for tensor in gguf.tensors {
      // Taken into the configuration, or recomputed from it.
      if tensor.name == GGUFName.ropeDivisors || tensor.name.hasSuffix(".attn_rot_embd.weight") { continue }
      let (name, isRotated) = GGUFName.canonical(tensor.name)
      views[name] = TensorView(
        name: name, shape: tensor.shape, type: tensor.type,
        unsafeBytes: MappedBytes(file: gguf.file, range: tensor.range),
        rowOrder: isRotated ? .interleaved(headDim: headDim) : .canonical)
    }
    self.views = views
    names = views.keys.sorted()
  }

  func find(_ name: String) -> TensorView? { views[name] }
}

/// GGUF's names of a Llama's tensors.
enum GGUFName {
  static let ropeDivisors = "rope_freqs.weight"

  private static let whole = [
    "token_embd.weight": TensorName.embedding,
    "output_norm.weight": TensorName.finalNorm,
    "output.weight": TensorName.head,
  ]
  private static let perLayer: [String: TensorName.Layer] = [
    "attn_norm.weight": .inputNorm,
    "attn_q.weight": .query,
    "attn_k.weight": .key,
    "attn_v.weight": .value,
    "attn_output.weight": .attentionOutput,
    "ffn_norm.weight": .postAttentionNorm,
    "ffn_gate.weight": .gate,
    "ffn_up.weight": .up,
    "ffn_down.weight": .down,
  ]

  /// The canonical name, and whether rows are interleaved. A name of no Llama tensor is its own.
  static func canonical(_ name: String) -> (name: String, isRotated: Bool) {
    if let canonical = whole[name] { return (canonical, false) }
    let parts = name.split(separator: ".", maxSplits: 2, omittingEmptySubsequences: false)
    guard parts.count == 3, parts[0] == "blk", let layer = Int(parts[1]), layer >= 0, String(layer) == parts[1],
      let tensor = perLayer[String(parts[2])]
    else { return (name, false) }
    return (TensorName.layer(layer, tensor), tensor == .query || tensor == .key)
  }
}
