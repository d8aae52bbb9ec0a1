import FoundationEssentials

/// The figures kept between runs: one list, in which a run replaces what its groups measured before.
final class FigureFile {
  struct Entry: Codable {
    let group: String
    let name: String
    let title: String
    let unit: String
    let value: Double
    let target: String?
    let isMet: Bool?
    let sampleCount: Int
    let samples: [Double]
    let command: String
    let date: String
  }

  /// Whether this run has figures in it.
  private(set) var isWritten = false
  private let path: String
  private var entries: [Entry] = []

  /// Reads what is there. Throws where that is no list of figures: nobody's file is overwritten by mistake.
  init(path: String) throws(BenchFault) {
    self.path = path
    guard let data = FileManager.default.contents(atPath: path) else { return }
    do { entries = try Self.decoder.decode([Entry].self, from: data) } catch {
      throw .io("\(path) holds no figures of tier-bench: move it away, or name another file with --output")
    }
  }

  /// Written at once, so that a later group's failure loses nothing.
  func replace(group: String, _ figures: [Figure], command: String) throws(BenchFault) {
    let date = Date.now.formatted(.iso8601)
    entries.removeAll { $0.group == group }
    entries += figures.map { figure in
      Entry(
        group: group, name: figure.name, title: figure.title, unit: figure.unit.rawValue, value: figure.value,
        target: figure.target.map(FigureTable.text), isMet: figure.isMet, sampleCount: figure.sampleCount,
        samples: figure.samples, command: command, date: date)
    }
    do {
      let slash = path.lastIndex(of: "/")
      if let slash, slash != path.startIndex {
        try FileManager.default.createDirectory(atPath: String(path[..<slash]), withIntermediateDirectories: true)
      }
      try Self.encoder.encode(entries).write(to: URL(filePath: path), options: .atomic)
      isWritten = true
    } catch {
      throw .io("cannot write \(path): \(error)")
    }
  }

  private static var decoder: JSONDecoder {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return decoder
  }

  private static var encoder: JSONEncoder {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return encoder
  }
}
