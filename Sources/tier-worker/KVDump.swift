import FoundationEssentials
import Inference
import TierCore

/// `--dump-kv DIR`: the KV of a prompt's full blocks as it was computed, for whoever wants to look at real KV. A file
/// `layer-LL-block-BBBB.kv` for each holds K, then V, each `[kvHead][token][headDim]`, little-endian, K after rope: the bytes
/// of a slot. `layout.json` says the rest.
final class KVDump {
  private struct Layout: Encodable {
    let elementType: String
    let kvHeads: Int
    let headDim: Int
    let blockTokens: Int
    let layers: Int
    let blocks: Int
  }

  private let directory: String
  private let layout: BlockLayout
  private var layers = 0
  private var blocks = 0
  private var fault: WorkerFault?

  init(_ directory: String, _ layout: BlockLayout) throws {
    self.directory = directory
    self.layout = layout
    do {
      try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    } catch {
      throw Self.cannotWrite(directory)
    }
  }

  private static func cannotWrite(_ path: String) -> WorkerFault {
    WorkerFault(message: "cannot write \(path): is it yours to write, and is there space?", exitCode: 74)
  }

  /// What goes wrong is said by `finish`.
  func take(layer: Int, index: Int, _ bytes: UnsafeRawBufferPointer) {
    guard fault == nil else { return }
    let path = directory + "/layer-\(Self.padded(layer, 2))-block-\(Self.padded(index, 4)).kv"
    guard FileManager.default.createFile(atPath: path, contents: Data(bytes)) else {
      fault = Self.cannotWrite(path)
      return
    }
    layers = max(layers, layer + 1)
    blocks = max(blocks, index + 1)
  }

  private static func padded(_ value: Int, _ width: Int) -> String {
    let digits = "\(value)"
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
  }

  func finish() throws {
    if let fault { throw fault }
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    let json = try encoder.encode(
      Layout(
        elementType: "\(layout.element)", kvHeads: layout.kvHeads, headDim: layout.headDim,
        blockTokens: layout.blockTokens, layers: layers, blocks: blocks))
    guard FileManager.default.createFile(atPath: directory + "/layout.json", contents: json) else {
      throw Self.cannotWrite(directory + "/layout.json")
    }
  }
}
