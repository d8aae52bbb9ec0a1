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

  @Test("dot products are those of the expanded row", arguments: levels, 0..<quantizedFixtures.count)
  func dots(level: Level, index: Int) throws {
    let fixture = quantizedFixtures[index]
    let blocks = try #require(Data(base64Encoded: fixture.blocks))
    let weights = try #require(Data(base64Encoded: fixture.values)).withUnsafeBytes {
      $0.bindMemory(to: UInt32.self).map { Float(bitPattern: UInt32(littleEndian: $0)) }
    }
    var generator = SeededGenerator(UInt64(index) + 5)
    let x = generator.floats(fixture.elements)
    let exact = zip(weights, x).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
    let size = zip(weights, x).reduce(0.0) { $0 + abs(Double($1.0) * Double($1.1)) }
    let dot = atLevel(level) {
      blocks.withUnsafeBytes { ck_dot_quantized(fixture.format, $0.baseAddress!, x, fixture.elements) }
    }
    #expect(abs(Double(dot) - exact) <= 1e-6 * size)
    // Of a part of the row: what follows is not read.
    let part = ck_quant_block_elements(fixture.format)
    let less = zip(weights, x).prefix(part).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
    let first = atLevel(level) {
      blocks.withUnsafeBytes { ck_dot_quantized(fixture.format, $0.baseAddress!, x, part) }
    }
    #expect(abs(Double(first) - less) <= 1e-6 * size)
  }
}
