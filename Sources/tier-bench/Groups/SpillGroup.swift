import FoundationEssentials
import Glibc
import TierCore
import TierSpill

/// The spill on real KV: how far it compresses, and how fast blocks go to disk and come back, beside what the disk and the
/// codec do bare in the same run.
struct SpillGroup: BenchmarkGroup {
  static let name = "spill"
  static let summary = "ratio, codec, and blocks to and from disk, on the model's own KV"
  static let needs: [BenchmarkNeed] = [.model]

  static let levels: [(name: String, level: Int32)] = [("AVX-512", 2), ("AVX2", 1)]

  func run(_ bench: Bench) throws -> [Figure] {
    if bench.scratch.isInMemory { bench.note("the scratch directory is in memory: set TMPDIR to one on a disk") }
    let bf16 = try KVSample(bench, dtype: "bf16", as: .bf16)
    let f16 = try KVSample(bench, dtype: "f32", as: .f16)
    bench.progress.show("compressing \(bf16.blocks.count) blocks")
    let (ratio, ratio16) = (CodecMeter.ratios(of: bf16), CodecMeter.ratios(of: f16))
    bench.progress.clear()
    print("spill bf16 ratio \(FigureTable.number(ratio.payload, digits: 2))")
    print("spill bf16 on-disk ratio \(FigureTable.number(ratio.onDisk, digits: 2))")
    print("spill f16 ratio \(FigureTable.number(ratio16.payload, digits: 2))")
    var figures = [
      Figure(
        "bf16_ratio", "bf16: original bytes to stored, of \(bf16.tokens) tokens", .ratio, value: ratio.payload,
        target: .atLeast(1.42)),
      Figure(
        "bf16_on_disk_ratio", "bf16: original bytes to bytes on disk", .ratio, value: ratio.onDisk,
        target: .atLeast(1.41)),
      Figure("f16_ratio", "f16: original bytes to stored", .ratio, value: ratio16.payload),
      Figure("f16_on_disk_ratio", "f16: original bytes to bytes on disk", .ratio, value: ratio16.onDisk),
    ]
    var codec: CodecMeter.Speed?
    for (name, level) in Self.levels where level <= CodecMeter.bestLevel {
      bench.progress.show("codec with \(name)")
      let speed = CodecMeter.speed(of: bf16, level: level, passes: bench.pairs ?? 5)
      codec = codec ?? speed
      let half = level == 2 ? 1.0 : 0.5
      let key = name.lowercased().filter { $0 != "-" }
      figures += [
        .median(
          "encode_\(key)_gb_per_s", "encode, both checksums, one core, \(name)", .gigabytesPerSecond,
          of: speed.encode, target: .atLeast(1.5 * half)),
        .median(
          "decode_\(key)_gb_per_s", "decode, both checksums, one core, \(name)", .gigabytesPerSecond,
          of: speed.decode, target: .atLeast(3 * half)),
      ]
    }
    guard let codec else { return figures }
    let meter = try DiskMeter(bench, bf16, onDiskRatio: ratio.onDisk)
    defer { meter.end() }
    return figures + (try meter.run(encode: codec.encode.median, decode: codec.decode.median))
  }
}
