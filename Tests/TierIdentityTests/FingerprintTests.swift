import Foundation
import Testing
import TierIdentity

@Suite struct FingerprintTests {
  @Test func fingerprintsAreThoseComputedIndependently() throws {
    for model in try Vectors.read().models {
      let fingerprint = ModelFingerprint(configuration: model.configuration, tensors: model.tensors)
      #expect(fingerprint.description == model.fingerprint)
    }
  }

  @Test func orderOfTensorsDoesNotCount() throws {
    let model = try #require(try Vectors.read().models.last)
    let reversed = ModelFingerprint(configuration: model.configuration, tensors: model.tensors.reversed())
    #expect(reversed.description == model.fingerprint)
  }

  @Test(arguments: ["", "00", String(repeating: "g", count: 64), String(repeating: "0", count: 65)])
  func textThatIsNoFingerprintIsNone(text: String) {
    #expect(ModelFingerprint(text) == nil)
  }
}

@Suite struct FingerprintCacheTests {
  private let base = NSTemporaryDirectory() + "tierd-fingerprints-\(UUID().uuidString)"
  private var directory: String { base + "/cache" }
  private let old = FileStamp(device: 1, inode: 2, sizeBytes: 3, modifiedNanoseconds: 4)
  private let known = ModelFingerprint(bytes: [UInt8](repeating: 1, count: 32))!
  private let other = ModelFingerprint(bytes: [UInt8](repeating: 2, count: 32))!

  private func ask(_ stamp: FileStamp, configuration: String = "c", answer: ModelFingerprint) -> ModelFingerprint {
    FingerprintCache(directory: directory)
      .fingerprint(configuration: configuration, files: [stamp]) { answer }
  }

  private func entries() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: directory).map { directory + "/" + $0 }
  }

  private func cleanUp() { try? FileManager.default.removeItem(atPath: base) }

  @Test func aKnownModelIsNotReadAgain() {
    defer { cleanUp() }
    #expect(ask(old, answer: known) == known)
    #expect(ask(old, answer: other) == known)
  }

  @Test func aChangedFileOrConfigurationIsAnotherModel() {
    defer { cleanUp() }
    _ = ask(old, answer: known)
    let touched = FileStamp(device: 1, inode: 2, sizeBytes: 3, modifiedNanoseconds: 5)
    #expect(ask(touched, answer: other) == other)
    #expect(ask(old, configuration: "d", answer: other) == other)
  }

  @Test func aFileJustWrittenIsNotRemembered() {
    defer { cleanUp() }
    let now = Int64(Date().timeIntervalSince1970 * 1e9)
    let fresh = FileStamp(device: 1, inode: 2, sizeBytes: 3, modifiedNanoseconds: now)
    _ = ask(fresh, answer: known)
    #expect(ask(fresh, answer: other) == other)
  }

  @Test(arguments: [0, 31, 32, 63])
  func aDamagedEntryIsPassedOverAndMended(byte: Int) throws {
    defer { cleanUp() }
    _ = ask(old, answer: known)
    let path = try #require(try entries().first)
    var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    bytes[byte] ^= 1
    try bytes.write(to: URL(fileURLWithPath: path))
    #expect(ask(old, answer: other) == other)
    #expect(ask(old, answer: known) == other)
  }

  @Test(arguments: [0, 1, 63, 65])
  func anEntryOfAnotherLengthIsPassedOver(count: Int) throws {
    defer { cleanUp() }
    _ = ask(old, answer: known)
    let path = try #require(try entries().first)
    let bytes = try Data(contentsOf: URL(fileURLWithPath: path)) + Data([0])
    try bytes.prefix(count).write(to: URL(fileURLWithPath: path))
    #expect(ask(old, answer: other) == other)
  }

  @Test func nothingIsOpenToOthers() throws {
    defer { cleanUp() }
    _ = ask(old, answer: known)
    let paths = try entries()
    #expect(paths.count == 1)
    for (path, mode) in [(directory, 0o700), (paths[0], 0o600)] {
      #expect(try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int == mode)
    }
  }

  @Test func aDirectoryOthersCanWriteToIsNotTrusted() throws {
    defer { cleanUp() }
    _ = ask(old, answer: known)
    try FileManager.default.setAttributes([.posixPermissions: 0o770], ofItemAtPath: directory)
    #expect(ask(old, answer: other) == other)
  }

  @Test func theEnvironmentNamesTheDirectory() {
    #expect(FingerprintCache(environment: [:]) == nil)
    #expect(FingerprintCache(environment: ["XDG_CACHE_HOME": "relative"]) == nil)
    #expect(FingerprintCache(environment: ["HOME": "/home/someone"]) != nil)
  }
}
