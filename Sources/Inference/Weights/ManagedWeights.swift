import ModelFiles
import TierCore
import TierIdentity

/// Weights as blocks of a store, under the same budgets as the KV: on the device, on the host, or packed again from the
/// model's file when they are needed.
final class ManagedWeights: WeightKeeper, @unchecked Sendable {
  // Sendable: one thread begins and ends shards, as `WeightKeeper` says.
  private let shards: DecoderShards
  private let compute: Compute
  private let file: any WeightSource
  private let layers: ShardSequence
  private let head: ShardSequence
  /// Shards packed from the file so far.
  private(set) var filled = 0

  /// Shards that stream to the device at once: the one in use and the next.
  static let ringShards = 2

  /// - Parameters:
  ///   - sessions: for the layers, and for the head. Nothing else uses them.
  ///   - mayWait: for room in the store.
  init(
    _ shards: DecoderShards, file: any WeightSource, fingerprint: ModelFingerprint,
    sessions: (layers: any ResidencySession, head: any ResidencySession), mayWait: Bool,
    compute: Compute
  ) throws {
    self.shards = shards
    self.compute = compute
    self.file = file
    func ids(_ parts: Int, _ packings: [String], _ kind: String) -> [BlockID] {
      let packing = ([kind] + packings).joined(separator: ";")
      return (0..<parts).map { ShardIdentity.id(fingerprint, packing: packing, part: $0) }
    }
    layers = try ShardSequence(
      session: sessions.layers, sequence: SequenceID(1), shards: shards.config.layers,
      slotBytes: shards.layerSlotBytes, ids: ids(shards.layerParts, shards.layerPacking, "layer"),
      ringSlots: Self.ringShards * shards.layerParts, mayWait: mayWait)
    head = try ShardSequence(
      session: sessions.head, sequence: SequenceID(1), shards: shards.head.count,
      slotBytes: shards.head.map(\.layout.slotBytes).max() ?? 0,
      ids: ids(
        shards.head[0].layout.partBytes.count, shards.head[0].layout.matrices.map(\.packing), "head"), ringSlots: 1,
      mayWait: mayWait)
  }

  /// Packs what the store does not hold yet, so that reading need not.
  func fillAll(progress: (_ done: Int, _ of: Int) -> Void) throws {
    let total = shards.config.layers
    for layer in 0..<total {
      _ = try beginLayer(layer)
      try endLayer(layer)
      progress(layer + 1, total)
    }
    for piece in shards.head.indices {
      _ = try beginHead(piece)
      try endHead(piece)
    }
  }

  func beginLayer(_ layer: Int) throws -> LayerMatrices {
    let bases = try layers.begin(layer) { targets in
      try shards.fillLayer(layer, targets, compute: compute)
      // A layer of fewer parts than others have has the rest of them all the same: equal ids are equal bytes.
      for rest in targets.dropFirst(shards.layout(of: layer).partBytes.count) {
        rest?.initializeMemory(as: UInt8.self, repeating: 0, count: shards.layerSlotBytes)
      }
      try noteFilled()
    }
    return shards.matrices(of: layer, bases)
  }

  func endLayer(_ layer: Int) throws { try layers.end() }

  func beginHead(_ piece: Int) throws -> PackedMatrix {
    let bases = try head.begin(piece) { targets in
      try shards.fillHead(piece, targets[0]!, compute: compute)
      try noteFilled()
    }
    return shards.head[piece].layout.matrices(bases, owner: nil)[0]
  }

  func endHead(_ piece: Int) throws { try head.end() }

  func observe(_ observer: any RunObserver) {
    layers.observer = observer
    head.observer = observer
  }

  private func noteFilled() throws {
    filled += 1
    // Bytes of a file that changed are not this model's: the shard is not sealed.
    try file.checkUnchanged()
    // The file's pages were read through a map: they need not stay in this process.
    file.releasePages()
  }
}
