import Foundation

/// The model of the README, which `make model` fetches.
enum RealModel {
  static func path() throws -> String {
    guard let path = ProcessInfo.processInfo.environment["TIERD_MODEL"] else {
      throw Missing(description: "TIERD_MODEL is not set: use `make test`, or name the file `make model` fetched")
    }
    guard access(path, R_OK) == 0 else {
      throw Missing(description: "\(path) is missing: fetch it with `make model`")
    }
    return path
  }

  struct Missing: Error, CustomStringConvertible {
    let description: String
  }
}

/// Files of token ids.
enum Tokens {
  /// So many ids of a real text, 2,048 at most.
  static func real(_ count: Int, in home: Workspace) throws -> String {
    struct Reference: Decodable { let tokens: [UInt32] }
    let reference = try JSONDecoder().decode(
      Reference.self, from: Data(contentsOf: URL(fileURLWithPath: Sources.realTokens)))
    return try list(Array(reference.tokens.prefix(count)), in: home)
  }

  /// So many ids for the tiny model.
  static func tiny(_ count: Int, in home: Workspace) throws -> String {
    try list((0..<UInt32(count)).map { 3 + $0 &* 31 % 90 }, in: home)
  }

  static func list(_ ids: [UInt32], in home: Workspace) throws -> String {
    try home.write("ids-\(UUID().uuidString).json", JSONEncoder().encode(ids))
  }
}
