import Testing
import TierCore

@testable import TierWire

/// Valid frames, mutated: whatever comes in, the decoder answers with a message or a `FrameError`, and a message it
/// accepts can be sent on.
@Suite struct FrameFuzzTests {
  private static func mutate(_ frame: [UInt8], _ r: inout Seeded) -> [UInt8] {
    var bytes = frame
    for _ in 0..<Int.random(in: 1...4, using: &r) {
      guard !bytes.isEmpty else { return bytes }
      let at = Int.random(in: 0..<bytes.count, using: &r)
      switch Int.random(in: 0..<6, using: &r) {
      case 0: bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &r)
      case 1: bytes[at] = [0, 1, 0x7F, 0x80, 0xFF].randomElement(using: &r)!
      case 2: bytes.removeSubrange(at..<min(bytes.count, at + Int.random(in: 1...8, using: &r)))
      case 3: bytes.insert(UInt8.random(in: 0...255, using: &r), at: at)
      case 4: bytes.replaceSubrange(at..<min(bytes.count, at + 5), with: [0xFF, 0xFF, 0xFF, 0xFF, 0x0F])
      default: bytes.append(contentsOf: bytes[at...].prefix(64))
      }
    }
    return bytes
  }

  /// Large frames only make the loop slow: what can be wrong is in the small ones too.
  private static func seeds<M>(_ make: (inout Seeded) throws -> (M, [UInt8]), _ r: inout Seeded) throws -> [[UInt8]] {
    var frames: [[UInt8]] = []
    while frames.count < 400 {
      let frame = try make(&r).1
      if frame.count <= 400 { frames.append(frame) }
    }
    return frames
  }

  @Test func mutatedClientFramesNeverTrap() throws {
    var r = Seeded(41)
    let seeds = try Self.seeds(
      {
        let m = Samples.clientMessage(&$0)
        return (m, try m.frame())
      }, &r)
    var accepted = 0
    for i in 0..<100_000 {
      let frame = Self.mutate(seeds[i % seeds.count], &r)
      do throws(FrameError) {
        let message = try ClientMessage(frame)
        accepted += 1
        guard case .hello = message else {
          #expect(try ClientMessage(message.frame()) == message)
          continue
        }
      } catch {}
    }
    #expect(accepted > 1000 && accepted < 99_000, "the mutations are neither all harmless nor all fatal")
  }

  @Test func mutatedServerFramesNeverTrap() throws {
    var r = Seeded(42)
    let seeds = try Self.seeds(
      {
        let m = Samples.serverMessage(&$0)
        return (m, try m.frames()[0])
      }, &r)
    var accepted = 0
    for i in 0..<100_000 {
      let frame = Self.mutate(seeds[i % seeds.count], &r)
      do throws(FrameError) {
        let message = try ServerMessage(frame)
        accepted += 1
        #expect(try ServerMessage(message.frames()[0]) == message)
      } catch {}
    }
    #expect(accepted > 1000 && accepted < 99_000, "the mutations are neither all harmless nor all fatal")
  }
}
