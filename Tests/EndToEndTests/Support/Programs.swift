import Foundation

/// The programs as they were built with the tests: they lie beside the test bundle.
enum Programs {
  static func path(of program: String) throws -> String {
    let bundle = CommandLine.arguments.first { $0.hasSuffix(".xctest") }
    guard let directory = bundle?.split(separator: "/", omittingEmptySubsequences: false).dropLast() else {
      throw Missing(description: "no .xctest among the arguments of the tests: where is the build directory?")
    }
    let path = (directory + [program[...]]).joined(separator: "/")
    guard access(path, X_OK) == 0 else {
      throw Missing(description: "\(path) is missing: build everything with `swift build --build-tests`")
    }
    return path
  }

  struct Missing: Error, CustomStringConvertible {
    let description: String
  }
}

/// Files of the source tree.
enum Sources {
  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().path

  static let demo = root + "/Sources/Demo/demo.sh"
  /// 2,048 token ids of a real text.
  static let realTokens = root + "/Tests/InferenceTests/Fixtures/smollm2_gpl3_f32.json"
  /// A Hugging Face directory with random weights: 3 layers, 96 tokens, a context of 512.
  static let tinyModel = root + "/Tests/InferenceTests/Fixtures/tiny_llama"

  /// A Hugging Face directory of a family with random weights: 4 layers, 96 tokens, windows of 70 to 150.
  static func family(_ name: String) -> String { root + "/Tests/InferenceTests/Fixtures/families/" + name }
}
