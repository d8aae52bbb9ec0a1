import FoundationEssentials

enum TextFile {
  static func read(_ path: String) throws(BenchFault) -> String {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw .missing("cannot read \(path): is it there, and yours to read?")
    }
    guard let text = String(data: data, encoding: .utf8) else { throw .usage("\(path) is not UTF-8 text") }
    return text
  }

  static func write(_ text: String, to path: String) throws(BenchFault) {
    do { try text.write(toFile: path, atomically: false, encoding: .utf8) } catch {
      throw .io("cannot write \(path): \(error)")
    }
  }

  /// The last lines of a file, for an error message.
  static func tail(of path: String) -> String {
    guard let data = FileManager.default.contents(atPath: path) else { return "" }
    return String(decoding: data, as: UTF8.self).split(separator: "\n").suffix(3).joined(separator: " / ")
  }
}
