import CKernels
import Foundation
import Testing

/// Blocks of one format and the values in them, both in base64.
struct QuantizedFixture: Sendable {
  let format: ck_quant
  let elements: Int
  let blocks: String
  let values: String
}

@Suite struct DequantizeTests {
  @Test("values equal the gguf package's, bit for bit", arguments: levels, 0..<quantizedFixtures.count)
  func equalsReference(level: Level, index: Int) throws {
    let fixture = quantizedFixtures[index]
    let blocks = try #require(Data(base64Encoded: fixture.blocks))
    let expected = try #require(Data(base64Encoded: fixture.values)).withUnsafeBytes {
      $0.bindMemory(to: UInt32.self).map { UInt32(littleEndian: $0) }
    }
    #expect(expected.count == fixture.elements)
    let count = blocks.count / ck_quant_block_bytes(fixture.format)
    #expect(count * ck_quant_block_elements(fixture.format) == fixture.elements)

    var output = [Float](repeating: 12345, count: fixture.elements + 1)
    atLevel(level) {
      blocks.withUnsafeBytes { ck_dequantize(fixture.format, $0.baseAddress!, &output, fixture.elements) }
    }
    #expect(output.popLast() == 12345)
    #expect(output.bits == expected)
  }
}
