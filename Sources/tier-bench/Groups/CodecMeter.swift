import CSpillCodec
import Glibc
import TierCore
import TierSpill

/// The codec alone, in memory, on one core.
enum CodecMeter {
  struct Speed {
    /// GB/s of original bytes, a pass each.
    var encode: [Double] = []
    var decode: [Double] = []
  }

  static var bestLevel: Int32 { tier_planes_level() }

  /// Original bytes over what is stored, and over what it takes on disk, header and padding included.
  static func ratios(of sample: KVSample) -> (payload: Double, onDisk: Double) {
    var (stored, onDisk) = (0, 0)
    withBuffers(sample.layout) { target, _, scratch in
      for block in sample.blocks {
        let bytes = BlockCodec.encode(block, layout: sample.layout, into: target, scratch: scratch).storedBytes
        stored += bytes
        onDisk += (RecordHeader.headerBytes + bytes).roundedUp(to: RecordHeader.leastAlignBytes)
      }
    }
    return (Double(sample.bytes) / Double(stored), Double(sample.bytes) / Double(onDisk))
  }

  /// Of the thread's own processor time: others on the machine do not count.
  static func speed(of sample: KVSample, level: Int32, passes: Int) -> Speed {
    tier_planes_limit_level(level)
    defer { tier_planes_limit_level(-1) }
    var speed = Speed()
    let layout = sample.layout
    withBuffers(layout) { target, original, scratch in
      for _ in 0...passes {
        var (encodeNs, decodeNs) = (UInt64(0), UInt64(0))
        for (block, checksum) in zip(sample.blocks, sample.checksums) {
          let start = threadNs()
          guard Checksum.of(block) == checksum else { preconditionFailure("the sample does not change") }
          let (codec, count) = BlockCodec.encode(block, layout: layout, into: target, scratch: scratch)
          let stored = UnsafeRawBufferPointer(rebasing: target[..<count])
          let storedChecksum = Checksum.of(stored)
          let middle = threadNs()
          guard Checksum.of(stored) == storedChecksum,
            BlockCodec.decode(stored, codec: codec, layout: layout, into: original, scratch: scratch),
            Checksum.of(UnsafeRawBufferPointer(original)) == checksum
          else { preconditionFailure("what was encoded decodes to itself") }
          encodeNs += middle - start
          decodeNs += threadNs() - middle
        }
        speed.encode.append(Double(sample.bytes) / Double(encodeNs))
        speed.decode.append(Double(sample.bytes) / Double(decodeNs))
      }
    }
    // The first pass warms up.
    speed.encode.removeFirst()
    speed.decode.removeFirst()
    return speed
  }

  private static func withBuffers(
    _ layout: BlockLayout,
    _ body: (UnsafeMutableRawBufferPointer, UnsafeMutableRawBufferPointer, UnsafeMutableRawBufferPointer) -> Void
  ) {
    let buffers = [layout.payloadBytes, layout.payloadBytes, max(1, BlockCodec.scratchBytes(layout))].map {
      UnsafeMutableRawBufferPointer.allocate(byteCount: $0, alignment: 4096)
    }
    defer { for buffer in buffers { buffer.deallocate() } }
    body(buffers[0], buffers[1], buffers[2])
  }

  private static func threadNs() -> UInt64 {
    var now = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now)
    return UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec)
  }
}
