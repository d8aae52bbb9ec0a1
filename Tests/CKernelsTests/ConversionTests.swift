import CKernels
import Testing

@Suite struct ConversionTests {
  @Test("every bf16 to f32", arguments: levels)
  func everyBrainFloat(level: Level) {
    let input = (0...UInt16.max).map { $0 }
    let output = atLevel(level) { widen(input, ck_bf16_to_f32) }
    #expect(output.bits == input.map { UInt32($0) << 16 })
  }

  @Test("every f16 to f32", arguments: levels)
  func everyHalf(level: Level) {
    let input = (0...UInt16.max).map { $0 }
    let output = atLevel(level) { widen(input, ck_f16_to_f32) }
    #expect(output.bits == input.map { widenedHalf($0) })
  }

  @Test("f32 to bf16 rounds to nearest even, around every bf16", arguments: levels)
  func roundsToBrainFloat(level: Level) {
    let input = neighbours { UInt32($0) << 16 } + specials
    let output = atLevel(level) { narrow(input, ck_f32_to_bf16) }
    #expect(output == input.map { nearestBrainFloat($0.bitPattern) })
  }

  @Test("f32 to f16 rounds to nearest even, around every f16", arguments: levels)
  func roundsToHalf(level: Level) {
    let input = neighbours { widenedHalf($0) } + specials
    let output = atLevel(level) { narrow(input, ck_f32_to_f16) }
    #expect(output == input.map { nearestHalf($0) })
  }

  @Test("odd lengths write what they should and no more", arguments: levels)
  func oddLengths(level: Level) {
    var generator = SeededGenerator(3)
    for count in Array(0...67) + [255, 1021] {
      let values = generator.floats(count)
      let halves = values.map { nearestHalf($0) }
      let brain = values.map { nearestBrainFloat($0.bitPattern) }
      atLevel(level) {
        #expect(narrow(values, ck_f32_to_f16) == halves)
        #expect(narrow(values, ck_f32_to_bf16) == brain)
        #expect(widen(halves, ck_f16_to_f32).bits == halves.map { widenedHalf($0) })
        #expect(widen(brain, ck_bf16_to_f32).bits == brain.map { UInt32($0) << 16 })
      }
    }
  }
}

private let specials: [Float] =
  [0, -0.0, .infinity, -.infinity, .nan, .greatestFiniteMagnitude, .leastNonzeroMagnitude, 65519.996, 65520, 2.98e-8]
  + [0x7f80_0001, 0xff80_0001, 0x7fff_ffff, 0x7f80_4000, 0x0000_8000, 0x0000_8001].map { Float(bitPattern: $0) }

/// Each 16-bit number as f32, the midpoint to the next, and the f32 neighbours of both.
private func neighbours(_ widened: (UInt16) -> UInt32) -> [Float] {
  (0..<UInt16.max).flatMap { number -> [Float] in
    let low = widened(number)
    let high = widened(number + 1)
    let middle = low + (high > low ? (high - low) / 2 : 0)
    return [low, low &+ 1, low &- 1, middle, middle &+ 1, middle &- 1].map { Float(bitPattern: $0) }
  }
}

private func widenedHalf(_ half: UInt16) -> UInt32 {
  let value = Float(Float16(bitPattern: half))
  guard value.isNaN else { return value.bitPattern }
  return UInt32(half & 0x8000) << 16 | 0x7fc0_0000 | UInt32(half & 0x3ff) << 13
}

private func nearestHalf(_ value: Float) -> UInt16 {
  guard value.isNaN else { return Float16(value).bitPattern }
  let bits = value.bitPattern
  return UInt16(bits >> 16 & 0x8000) | 0x7e00 | UInt16(bits >> 13 & 0x3ff)
}

/// By exact arithmetic in Double: the candidate below and above, the nearer, the even one when equally near.
private func nearestBrainFloat(_ bits: UInt32) -> UInt16 {
  let value = Float(bitPattern: bits)
  let below = UInt16(bits >> 16)
  if value.isNaN { return below | 0x40 }
  if value.isInfinite || bits & 0xffff == 0 { return below }
  let above = below + 1
  func magnitude(_ number: UInt16) -> Double {
    // One step beyond the largest finite number counts as 2^128 here, as IEEE rounding does.
    number & 0x7fff == 0x7f80 ? 0x1p128 : Double(Float(bitPattern: UInt32(number & 0x7fff) << 16))
  }
  let toBelow = Double(value.magnitude) - magnitude(below)
  let toAbove = magnitude(above) - Double(value.magnitude)
  return toBelow < toAbove || (toBelow == toAbove && below % 2 == 0) ? below : above
}

private let canary: UInt16 = 0x5aa5

private func narrow(_ input: [Float], _ convert: (UnsafePointer<Float>, UnsafeMutablePointer<UInt16>, Int) -> Void)
  -> [UInt16]
{
  var output = [UInt16](repeating: canary, count: input.count + 1)
  convert(input, &output, input.count)
  #expect(output.popLast() == canary)
  return output
}

private func widen(_ input: [UInt16], _ convert: (UnsafePointer<UInt16>, UnsafeMutablePointer<Float>, Int) -> Void)
  -> [Float]
{
  var output = [Float](repeating: 12345, count: input.count + 1)
  convert(input, &output, input.count)
  #expect(output.popLast() == 12345)
  return output
}
