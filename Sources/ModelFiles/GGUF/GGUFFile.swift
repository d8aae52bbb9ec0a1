/// A GGUF file, version 2 or 3: metadata, and a directory of tensors whose every byte is known to be in the file.
/// Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
struct GGUFFile: Sendable {
  struct Tensor: Sendable {
    let name: String
    /// Outermost dimension first: the reverse of the file's order.
    let shape: [Int]
    let type: StorageType
    let range: Range<Int>
  }

  let file: MappedFile
  let metadata: GGUFMetadata
  let tensors: [Tensor]

  init(path: String) throws(ModelFileError) {
    let file = try MappedFile(path: path)
    defer { withExtendedLifetime(file) {} }
    var reader = ByteReader(file.buffer, path: path)
    guard file.buffer.count >= 4, file.buffer.starts(with: "GGUF".utf8) else {
      throw .wrongMagic(path: path, expected: "GGUF")
    }
    _ = try reader.integer(UInt32.self, "the magic")
    try Self.checkVersion(try reader.integer(UInt32.self, "the version"), path: path)
    // A tensor's entry: a name's length, a count of dimensions, one dimension, a type, an offset.
    let tensorCount = try reader.count(itemBytes: 32, limit: GGUFLimit.tensors, "tensors")
    let keyCount = try reader.count(itemBytes: 13, limit: GGUFLimit.keys, "metadata keys")
    let metadata = try GGUFMetadata(reading: &reader, count: keyCount, file: file)
    let alignment = try metadata.alignment()
    var entries: [TensorEntry] = []
    for _ in 0..<tensorCount { entries.append(try TensorEntry(reading: &reader)) }
    let dataStart = (reader.offset + alignment - 1) / alignment * alignment
    self.file = file
    self.metadata = metadata
    tensors = try Self.place(entries, dataStart: dataStart, alignment: alignment, file: file)
  }

  private static func checkVersion(_ version: UInt32, path: String) throws(ModelFileError) {
    guard version != 2, version != 3 else { return }
    let isBigEndian = version.byteSwapped == 2 || version.byteSwapped == 3
    throw .unsupportedVersion(path: path, found: isBigEndian ? "big-endian GGUF" : "GGUF version \(version)")
  }

  /// Turns offsets relative to the data into ranges of the file.
  private static func place(
    _ entries: [TensorEntry], dataStart: Int, alignment: Int, file: MappedFile
  ) throws(ModelFileError) -> [Tensor] {
    let size = file.buffer.count
    var seen: Set<String> = []
    var tensors: [Tensor] = []
    for entry in entries {
      guard seen.insert(entry.name).inserted else {
        throw .malformed(path: file.path, what: "two tensors are named \(entry.name)")
      }
      guard entry.offset % UInt64(alignment) == 0 else {
        throw .malformed(path: file.path, what: "tensor \(entry.name) is not aligned to \(alignment) bytes")
      }
      let (start, o1) = UInt64(dataStart).addingReportingOverflow(entry.offset)
      let (end, o2) = start.addingReportingOverflow(UInt64(entry.bytes))
      guard !o1, !o2 else { throw .absurdSize(path: file.path, what: "offset of tensor \(entry.name)") }
      guard end <= UInt64(size) else { throw .truncated(path: file.path, what: "tensor \(entry.name)") }
      tensors.append(
        Tensor(name: entry.name, shape: entry.shape, type: entry.type, range: Int(start)..<Int(end)))
    }
    return tensors
  }
}

/// One line of the tensor directory, before its place is known.
private struct TensorEntry {
  let name: String
  let shape: [Int]
  let type: StorageType
  let bytes: Int
  let offset: UInt64

  init(reading reader: inout ByteReader) throws(ModelFileError) {
    let path = reader.path
    name = try reader.string(limit: GGUFLimit.keyBytes, "a tensor's name")
    let rank = try reader.integer(UInt32.self, "tensor \(name)")
    guard rank >= 1, rank <= GGUFLimit.dimensions else {
      throw .absurdSize(path: path, what: "tensor \(name) has \(rank) dimensions")
    }
    var dimensions: [Int] = []
    for _ in 0..<rank {
      let dimension = try reader.integer(UInt64.self, "tensor \(name)")
      guard dimension >= 1, dimension <= UInt64(UInt32.max) else {
        throw .absurdSize(path: path, what: "tensor \(name) has a dimension of \(dimension)")
      }
      dimensions.append(Int(dimension))
    }
    type = try Self.storageType(try reader.integer(UInt32.self, "tensor \(name)"), tensor: name, path: path)
    offset = try reader.integer(UInt64.self, "tensor \(name)")
    shape = dimensions.reversed()
    guard let bytes = type.totalBytes(shape: shape) else {
      throw .absurdSize(path: path, what: "tensor \(name) of shape \(shape) in \(type.rawValue)")
    }
    self.bytes = bytes
  }

  private static func storageType(
    _ code: UInt32, tensor: String, path: String
  ) throws(ModelFileError) -> StorageType {
    if let type = supportedTypes[code] { return type }
    throw .unsupportedTensorType(path: path, tensor: tensor, type: otherTypes[code] ?? "number \(code)")
  }

  /// `enum ggml_type` in ggml.h.
  private static let supportedTypes: [UInt32: StorageType] = [
    0: .f32, 1: .f16, 2: .q40, 3: .q41, 8: .q80, 12: .q4K, 14: .q6K, 30: .bf16,
  ]
  private static let otherTypes: [UInt32: String] = [
    6: "Q5_0", 7: "Q5_1", 9: "Q8_1", 10: "Q2_K", 11: "Q3_K", 13: "Q5_K", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS",
    18: "IQ3_XXS", 19: "IQ1_S", 20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S", 23: "IQ4_XS", 24: "I8", 25: "I16", 26: "I32",
    27: "I64", 28: "F64", 29: "IQ1_M", 34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4",
  ]
}
