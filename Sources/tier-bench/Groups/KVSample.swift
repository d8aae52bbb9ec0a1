import FoundationEssentials
import TierCore
import TierSpill

/// Real KV: what tier-worker computes of a long real text, all layers of one block after the other.
final class KVSample {
  struct Description: Decodable {
    let kvHeads: Int
    let headDim: Int
    let blockTokens: Int
    let layers: Int
    let blocks: Int
  }

  let layout: BlockLayout
  let layers: Int
  /// Block by block, and within a block layer by layer: the order in which a prefill of one-block chunks seals them.
  let blocks: [UnsafeRawBufferPointer]
  let checksums: [UInt64]
  var tokens: Int { blocks.count / layers * layout.blockTokens }
  var bytes: Int { blocks.count * layout.payloadBytes }

  init(_ bench: Bench, dtype: String, as element: ElementType) throws(BenchFault) {
    let directory = try bench.scratch.directory("kv-\(dtype)")
    defer { ScratchDirectory.remove(directory) }
    bench.progress.show("reading a text with \(dtype) for its KV")
    _ = try WorkerRun(
      bench,
      [
        "run", "--embedded", "--device", "none", "--host-budget", "8GiB", "--dtype", dtype, "--raw", "--prompt-file",
        bench.text, "--max-new-tokens", "0", "--dump-kv", directory,
      ])
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    guard let json = FileManager.default.contents(atPath: directory + "/layout.json"),
      let found = try? decoder.decode(Description.self, from: json),
      let layout = BlockLayout(
        element: element, kvHeads: found.kvHeads, headDim: found.headDim, blockTokens: found.blockTokens)
    else { throw .failed("tier-worker left no KV in \(directory)") }
    self.layout = layout
    layers = found.layers
    var all: [UnsafeRawBufferPointer] = []
    for block in 0..<found.blocks {
      for layer in 0..<found.layers {
        let name = "/layer-\(Self.padded(layer, 2))-block-\(Self.padded(block, 4)).kv"
        guard let data = FileManager.default.contents(atPath: directory + name) else {
          throw .failed("tier-worker left no \(name)")
        }
        all.append(try Self.keep(data, dtype: dtype, layout))
      }
    }
    blocks = all
    checksums = all.map { Checksum.of($0) }
  }

  deinit { for block in blocks { block.deallocate() } }

  private static func padded(_ value: Int, _ width: Int) -> String { "\(value)".paddedLeft(to: width, with: "0") }

  /// As it is, or rounded from f32 to f16.
  private static func keep(_ data: Data, dtype: String, _ layout: BlockLayout) throws(BenchFault)
    -> UnsafeRawBufferPointer
  {
    let block = UnsafeMutableRawBufferPointer.allocate(byteCount: layout.payloadBytes, alignment: 4096)
    guard data.count == layout.payloadBytes * (dtype == "f32" ? 2 : 1) else {
      throw .failed("a block of \(data.count) bytes was dumped, \(layout.payloadBytes) were expected")
    }
    data.withUnsafeBytes { source in
      if dtype == "f32" {
        for i in 0..<layout.payloadBytes / 2 {
          let value = source.loadUnaligned(fromByteOffset: 4 * i, as: Float.self)
          block.storeBytes(of: Float16(value).bitPattern, toByteOffset: 2 * i, as: UInt16.self)
        }
      } else {
        block.copyMemory(from: source)
      }
    }
    return UnsafeRawBufferPointer(block)
  }
}
