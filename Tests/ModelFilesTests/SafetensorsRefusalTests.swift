import Foundation
import ModelFiles
import Testing

@Suite struct SafetensorsRefusalTests {
  private let scratch: Scratch
  private let good = SafetensorsBytes.file(TinyModel.shapes.map { ($0.canonical, $0.shape) })
  init() throws {
    scratch = try Scratch()
    try TinyDirectory().write(to: scratch)
  }

  private func refusal(_ bytes: [UInt8]) throws -> ModelFileError? {
    try scratch.write("model.safetensors", bytes)
    do {
      _ = try Checkpoint(path: scratch.path)
      return nil
    } catch {
      return error
    }
  }

  private func refusal(header: String, dataBytes: Int) throws -> ModelFileError? {
    try refusal(SafetensorsBytes.file(header: header, data: [UInt8](repeating: 0, count: dataBytes)))
  }

  @Test func everyTruncationIsRefused() throws {
    #expect(try refusal(good) == nil)
    for step in 0..<200 {
      guard case .truncated = try refusal(Array(good.prefix(good.count * step / 200))) else {
        Issue.record("cut to \(step)/200")
        continue
      }
    }
  }

  @Test func noChangedByteOfTheHeaderIsFatal() throws {
    let dataStart = 8 + Int(good.prefix(2).reversed().reduce(0) { $0 << 8 | UInt64($1) })
    var generator = SystemRandomNumberGenerator.Seeded(state: 11)
    for _ in 0..<500 {
      var mutated = good
      mutated[Int.random(in: 0..<dataStart, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
      _ = try refusal(mutated)
    }
  }

  @Test(arguments: [UInt64(33) << 20, 1 << 40, UInt64(Int64.max), .max])
  func anAbsurdHeaderIsRefused(length: UInt64) throws {
    var bytes = good
    withUnsafeBytes(of: length.littleEndian) { bytes.replaceSubrange(0..<8, with: $0) }
    guard case .absurdSize = try refusal(bytes) else {
      Issue.record("\(length)")
      return
    }
  }

  @Test(arguments: [
    #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#,
    #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#,
    #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}"#,
    #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#,
    #"{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}"#,
    #"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#,
    #"{"a":{"dtype":"F32","shape":[4294967295,4294967295,4294967295],"data_offsets":[0,4]}}"#,
    #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,9223372036854775807]}}"#,
    #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#,
    #"{"a":{"dtype":"F32","shape":[1]}}"#,
    #"{"a":1}"#,
    #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#,
    #"[]"#,
    "{}",
    "{" + String(repeating: "\"a\":{", count: 10_000),
  ])
  func headersThatLieAreRefused(header: String) throws {
    switch try refusal(header: header, dataBytes: 8) {
    case .malformed, .absurdSize, .truncated, .wrongMagic: return
    // A header believed is a directory that lacks the model's tensors.
    case let error: Issue.record("\(header.prefix(120)): \(String(describing: error))")
    }
  }

  @Test func bytesBehindTheLastTensorAreRefused() throws {
    guard case .malformed = try refusal(good + [0, 0, 0, 0]) else {
      Issue.record("four bytes more were accepted")
      return
    }
  }

  @Test func typesNotSupportedAreNamed() throws {
    let header = #"{"a":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}}"#
    #expect(
      try refusal(header: header, dataBytes: 1)
        == .unsupportedTensorType(path: scratch.path + "/model.safetensors", tensor: "a", type: "F8_E4M3"))
  }
}
