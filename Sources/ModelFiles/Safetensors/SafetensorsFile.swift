/// One safetensors file: a JSON header of names, types, shapes and offsets, then the bytes, without gaps.
/// Format: https://github.com/huggingface/safetensors#format
struct SafetensorsFile: Sendable {
  let file: MappedFile
  let tensors: [TensorView]

  /// The format's own limit is 100 MB; a header of a few kB per layer never comes near this one.
  static let maxHeaderBytes = 32 << 20

  init(_ file: MappedFile) throws(ModelFileError) {
    let path = file.path
    defer { withExtendedLifetime(file) {} }
    var reader = ByteReader(file.buffer, path: path)
    let length = try reader.integer(UInt64.self, "the header")
    guard length <= UInt64(Self.maxHeaderBytes) else {
      throw .absurdSize(path: path, what: "a safetensors header of \(length) bytes")
    }
    let header = try reader.skip(Int(length), "the header")
    // The format reserves any other first byte; a file of another kind is told by it.
    guard length > 0, file.buffer[header.lowerBound] == UInt8(ascii: "{") else {
      throw .wrongMagic(path: path, expected: "safetensors")
    }
    let json = try JSON.parse(UnsafeRawBufferPointer(rebasing: file.buffer[header]), path: path)
    guard let entries = json.object else { throw .malformed(path: path, what: "the header is no JSON object") }
    var tensors: [TensorView] = []
    for entry in entries.members where entry.key != "__metadata__" {
      tensors.append(try Self.view(entry.key, entry.value, file: file, dataStart: reader.offset))
    }
    try Self.checkCoverage(tensors, data: reader.offset..<file.buffer.count, path: path)
    self.file = file
    self.tensors = tensors
  }

  private static func view(
    _ name: String, _ entry: JSON, file: MappedFile, dataStart: Int
  ) throws(ModelFileError) -> TensorView {
    let path = file.path
    guard let type = entry["dtype"]?.string, let dimensions = entry["shape"]?.array,
      let offsets = entry["data_offsets"]?.array, offsets.count == 2,
      let begin = offsets[0].integer, let end = offsets[1].integer
    else { throw .malformed(path: path, what: "tensor \(name) lacks dtype, shape or data_offsets") }
    guard let storage = supportedTypes[type] else {
      throw .unsupportedTensorType(path: path, tensor: name, type: type)
    }
    var shape: [Int] = []
    for dimension in dimensions {
      guard let size = dimension.integer, size >= 1, size <= Int(UInt32.max), shape.count < 8 else {
        throw .absurdSize(path: path, what: "tensor \(name) has a dimension of \(dimension.text)")
      }
      shape.append(size)
    }
    // A scalar is a row of one.
    if shape.isEmpty { shape = [1] }
    guard let bytes = storage.totalBytes(shape: shape) else {
      throw .absurdSize(path: path, what: "tensor \(name) of shape \(shape)")
    }
    guard begin >= 0, end >= begin, end - begin == bytes else {
      throw .malformed(
        path: path, what: "tensor \(name) of shape \(shape) in \(type) takes \(bytes) bytes, its offsets say otherwise")
    }
    guard end <= file.buffer.count - dataStart else { throw .truncated(path: path, what: "tensor \(name)") }
    return TensorView(
      name: name, shape: shape, type: storage,
      unsafeBytes: MappedBytes(file: file, range: dataStart + begin..<dataStart + end), rowOrder: .canonical)
  }

  /// The format allows neither gaps nor overlaps, nor bytes behind the last tensor.
  private static func checkCoverage(
    _ tensors: [TensorView], data: Range<Int>, path: String
  ) throws(ModelFileError) {
    var expected = data.lowerBound
    for tensor in tensors.sorted(by: { $0.unsafeBytes.range.lowerBound < $1.unsafeBytes.range.lowerBound }) {
      guard tensor.unsafeBytes.range.lowerBound == expected else {
        throw .malformed(path: path, what: "tensor \(tensor.name) overlaps another, or bytes before it are no tensor's")
      }
      expected = tensor.unsafeBytes.range.upperBound
    }
    guard expected == data.upperBound else {
      throw .malformed(path: path, what: "\(data.upperBound - expected) bytes follow the last tensor")
    }
  }

  private static let supportedTypes: [String: StorageType] = ["F32": .f32, "F16": .f16, "BF16": .bf16]
}
