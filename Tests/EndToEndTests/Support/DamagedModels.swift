import Foundation

/// Copies of the models with one thing wrong.
enum DamagedModels {
  /// The header of the real model, changed, in a file of its size without its weights: what is wrong is found before they
  /// are looked at, and the copy costs nothing.
  static func gguf(_ change: (inout Data) throws -> Void, in home: Workspace) throws -> String {
    let (header, bytes) = try realHeader.get()
    var changed = header
    try change(&changed)
    let path = try home.write("changed.gguf", changed)
    guard truncate(path, off_t(bytes)) == 0 else { throw CocoaError(.fileWriteUnknown) }
    return path
  }

  /// The first so many bytes of the real model.
  static func truncated(to bytes: Int, in home: Workspace) throws -> String {
    let path = try gguf({ _ in }, in: home)
    guard truncate(path, off_t(bytes)) == 0 else { throw CocoaError(.fileWriteUnknown) }
    return path
  }

  /// The tiny Hugging Face directory, changed.
  static func directory(_ change: (_ path: String) throws -> Void, in home: Workspace) throws -> String {
    let path = home.path + "/model"
    try FileManager.default.copyItem(atPath: Sources.tinyModel, toPath: path)
    try change(path)
    return path
  }

  /// As `directory`, with other values in its config.json.
  static func directory(config values: [String: Any], in home: Workspace) throws -> String {
    try directory(
      { path in
        let url = URL(fileURLWithPath: path + "/config.json")
        let config = try JSONSerialization.jsonObject(with: Data(contentsOf: url)) as? [String: Any] ?? [:]
        try JSONSerialization.data(withJSONObject: config.merging(values) { $1 }).write(to: url)
      }, in: home)
  }

  private static let realHeader = Result {
    let path = try RealModel.path()
    let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
    let bytes = try file.seekToEnd()
    try file.seek(toOffset: 0)
    // Metadata and tokenizer take 1.8 MB of it.
    return (try file.read(upToCount: 4 << 20) ?? Data(), bytes)
  }
}

extension Data {
  /// Writes over the bytes that follow `text` by so many.
  mutating func overwrite(after text: String, by offset: Int = 0, with bytes: [UInt8]) throws {
    guard let found = range(of: Data(text.utf8)) else { throw CocoaError(.fileReadCorruptFile) }
    let start = found.upperBound + offset
    replaceSubrange(start..<start + bytes.count, with: bytes)
  }

  mutating func overwrite(at offset: Int, with bytes: [UInt8]) {
    replaceSubrange(offset..<offset + bytes.count, with: bytes)
  }
}
