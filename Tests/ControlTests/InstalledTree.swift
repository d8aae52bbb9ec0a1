import Foundation

/// What `make install` makes, with programs that do nothing, in a directory of its own that goes with it.
final class InstalledTree {
  let root: String
  private let base: String
  private let flags: [String]
  private let programs: String

  struct Failed: Error, CustomStringConvertible {
    let description: String
  }

  var units: String { root + "/usr/local/lib/systemd/system" }

  init(version: Int, nvidia: Bool = false) throws {
    base = FileManager.default.temporaryDirectory.appendingPathComponent("tierd-tree-\(UUID().uuidString)").path
    (root, programs) = (base + "/root", base + "/programs")
    flags = ["--destdir", root, "--systemd", "\(version)", "--nvidia", nvidia ? "1" : ""]
    for directory in [root, programs] {
      try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    }
    for program in ["tierd", "tierctl", "tier-worker"] {
      let made = FileManager.default.createFile(
        atPath: programs + "/" + program, contents: Data("#!/bin/sh\n".utf8), attributes: [.posixPermissions: 0o755])
      guard made else { throw Failed(description: "cannot make \(program)") }
    }
    try install()
    // The program is where it was put, and not where it would run from.
    let service = URL(fileURLWithPath: units + "/tierd.service")
    let text = try String(contentsOf: service, encoding: .utf8)
    try text.replacingOccurrences(of: "=/usr/local/bin/", with: "=\(root)/usr/local/bin/")
      .write(to: service, atomically: true, encoding: .utf8)
  }

  deinit { try? FileManager.default.removeItem(atPath: base) }

  func install() throws { try script(flags + [programs]) }
  func remove() throws { try script(["--remove"] + flags) }

  /// Paths below the root of what is no directory.
  var files: [String] {
    let names = FileManager.default.enumerator(atPath: root)?.compactMap { $0 as? String } ?? []
    return names.filter { name in
      var isDirectory: ObjCBool = false
      return FileManager.default.fileExists(atPath: root + "/" + name, isDirectory: &isDirectory)
        && !isDirectory.boolValue
    }.map { "/" + $0 }
  }

  private func script(_ arguments: [String]) throws {
    let outcome = try run("/bin/bash", [Source.install] + arguments)
    guard outcome.status == 0 else { throw Failed(description: outcome.output) }
  }
}

enum Source {
  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path
  static let install = root + "/systemd/install"
}

enum SystemdAnalyze {
  private static let path = "/usr/bin/systemd-analyze"
  static let isThere = access(path, X_OK) == 0

  /// Nil where it does not say.
  static let version: Int? = (try? run(["--version"]).output)?.split(separator: " ").dropFirst().first.flatMap {
    Int($0)
  }

  static func run(_ arguments: [String]) throws -> (status: Int32, output: String) {
    try ControlTests.run(path, arguments)
  }

  /// What `security` gives a unit, and all it says.
  static func exposure(_ unit: String) throws -> (Double, String) {
    let text = try run(["security", "--offline=true", "--no-pager", unit]).output
    let words = text.split(separator: " ")
    guard let at = words.firstIndex(of: "level"), let score = words[at...].compactMap({ Double($0) }).first else {
      throw InstalledTree.Failed(description: text)
    }
    return (score, text)
  }
}

/// A program to its end: its status, and what it wrote on both outputs.
func run(_ program: String, _ arguments: [String]) throws -> (status: Int32, output: String) {
  let process = Process()
  process.executableURL = URL(fileURLWithPath: program)
  process.arguments = arguments
  process.environment = ["PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8"]
  let pipe = Pipe()
  (process.standardOutput, process.standardError) = (pipe, pipe)
  process.standardInput = FileHandle.nullDevice
  try process.run()
  let output = pipe.fileHandleForReading.readDataToEndOfFile()
  process.waitUntilExit()
  return (process.terminationStatus, String(decoding: output, as: UTF8.self))
}
