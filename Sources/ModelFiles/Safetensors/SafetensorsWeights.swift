/// The tensors of a Hugging Face directory under canonical names: `model.safetensors`, or the shards `model.safetensors.index.json` names.
struct SafetensorsWeights: WeightSource {
  let path: String
  let names: [String]
  let mappedFiles: [MappedFile]
  var files: [FileIdentity] { mappedFiles.map(\.identity) }
  private let views: [String: TensorView]

  static let maxShards = 1024

  init(directory: String, _ config: ModelConfig) throws(ModelFileError) {
    let single = directory + "/model.safetensors"
    let index = single + ".index.json"
    let opened: [SafetensorsFile]
    if let file = try MappedFile.ifPresent(path: single) {
      opened = [try SafetensorsFile(file)]
    } else if let json = try JSON.fileIfPresent(index) {
      opened = try Self.shards(json, index: index, directory: directory)
    } else {
      throw .missing(path: single)
    }
    var views: [String: TensorView] = [:]
    for tensor in opened.flatMap(\.tensors) {
      for view in try HuggingFaceTensors.canonical(tensor, config, path: directory) {
        guard views.updateValue(view, forKey: view.name) == nil else {
          throw .malformed(path: directory, what: "tensor \(tensor.name) is there twice")
        }
      }
    }
    path = directory
    mappedFiles = opened.map(\.file)
    self.views = views
    names = views.keys.sorted()
  }

  func find(_ name: String) -> TensorView? { views[name] }

  private static func shards(
    _ json: JSON, index: String, directory: String
  ) throws(ModelFileError) -> [SafetensorsFile] {
    guard let map = json.present("weight_map")?.object else {
      throw .missingKey(path: index, key: "weight_map")
    }
    var holders: [String: Set<String>] = [:]
    for member in map.members {
      guard let name = member.value.string, !name.isEmpty, !name.contains("/"), !name.contains("\0"), name != ".."
      else {
        throw .malformed(
          path: index, what: "tensor \(member.key) is in no file of this directory: \(member.value.text)")
      }
      holders[name, default: []].insert(member.key)
    }
    guard holders.count <= maxShards else { throw .absurdSize(path: index, what: "\(holders.count) shards") }
    var files: [SafetensorsFile] = []
    for (name, promised) in holders.sorted(by: { $0.key < $1.key }) {
      let file = try SafetensorsFile(MappedFile(path: directory + "/" + name))
      let held = Set(file.tensors.map(\.name))
      if let absent = promised.subtracting(held).min() {
        throw .missingTensor(path: directory + "/" + name, name: absent)
      }
      files.append(file)
    }
    return files
  }
}
