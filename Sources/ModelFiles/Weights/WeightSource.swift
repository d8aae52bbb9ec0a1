/// Named tensors of one model, whichever files hold them. Names are canonical (see `TensorName`).
public protocol WeightSource: Sendable {
  /// Every tensor's canonical name, sorted.
  var names: [String] { get }
  /// Nil where there is none of that name.
  func find(_ name: String) -> TensorView?
  /// What to name in errors: the file or directory.
  var path: String { get }
  /// Where the tensors are.
  var mappedFiles: [MappedFile] { get }
}

extension WeightSource {
  /// The tensor `name` of exactly `shape` (outermost first).
  /// - Throws: `.missingTensor`, `.wrongShape`.
  public func tensor(_ name: String, shape: [Int]) throws(ModelFileError) -> TensorView {
    guard let view = find(name) else { throw .missingTensor(path: path, name: name) }
    guard view.shape == shape else {
      throw .wrongShape(path: path, name: view.fileName, expected: shape, found: view.shape)
    }
    return view
  }
}

extension WeightSource {
  /// Lets go of the files' pages in this process; they are read again when they are touched.
  public func releasePages() {
    for file in mappedFiles { file.releasePages() }
  }

  /// Whether the files are those that were opened: weights of two models are never mixed.
  /// - Throws: `.changed`, `.missing`, `.unreadable`.
  public func checkUnchanged() throws(ModelFileError) {
    for file in mappedFiles { try file.checkUnchanged() }
  }
}
