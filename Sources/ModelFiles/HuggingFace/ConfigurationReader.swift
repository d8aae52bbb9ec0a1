/// Values of a `config.json` by key, with errors that name the key.
struct ConfigurationReader {
  let json: JSON
  let path: String

  func integer(_ key: String, default fallback: Int? = nil) throws(ModelFileError) -> Int {
    try value(key, fallback, "an integer") { $0.integer }
  }

  func number(_ key: String, default fallback: Double? = nil) throws(ModelFileError) -> Double {
    try value(key, fallback, "a number") { $0.number }
  }

  func bool(_ key: String, default fallback: Bool? = nil) throws(ModelFileError) -> Bool {
    try value(key, fallback, "true or false") { $0.bool }
  }

  func string(_ key: String, default fallback: String? = nil) throws(ModelFileError) -> String {
    try value(key, fallback, "a string") { $0.string }
  }

  /// Where null says that there is none, and absence means something.
  func nullable(_ key: String, absent: Int) throws(ModelFileError) -> Int? {
    json[key]?.isNull == true ? nil : try integer(key, default: absent)
  }

  func nullable(_ key: String, absent: Double) throws(ModelFileError) -> Double? {
    json[key]?.isNull == true ? nil : try number(key, default: absent)
  }

  func integersIfPresent(_ key: String) throws(ModelFileError) -> [Int]? {
    try list(key, "an array of integers") { $0.integer }
  }

  func stringsIfPresent(_ key: String) throws(ModelFileError) -> [String]? {
    try list(key, "an array of strings") { $0.string }
  }

  /// The values below `key`; none where it is not there.
  func section(_ key: String) -> ConfigurationReader {
    ConfigurationReader(json: json.present(key) ?? .object(JSONObject()), path: path)
  }

  private func list<T>(_ key: String, _ expected: String, _ read: (JSON) -> T?) throws(ModelFileError) -> [T]? {
    guard let found = json.present(key) else { return nil }
    let items = found.array?.map(read) ?? [nil]
    guard items.allSatisfy({ $0 != nil }) else {
      throw .badValue(path: path, key: key, found: found.text, expected: expected)
    }
    return items.compactMap { $0 }
  }

  private func value<T>(
    _ key: String, _ fallback: T?, _ expected: String, _ read: (JSON) -> T?
  ) throws(ModelFileError) -> T {
    guard let found = json.present(key) else {
      guard let fallback else { throw .missingKey(path: path, key: key) }
      return fallback
    }
    guard let value = read(found) else {
      throw .badValue(path: path, key: key, found: found.text, expected: expected)
    }
    return value
  }
}
