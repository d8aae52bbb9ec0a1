/// The parts of a shard in the worker's own memory.
final class ShardMemory: Sendable {
  private let buffers: [AlignedBuffer]
  var bases: [UnsafeMutableRawPointer] { buffers.map(\.base) }

  init(_ layout: ShardLayout) {
    buffers = layout.partBytes.map { AlignedBuffer(byteCount: $0) }
  }
}

/// Where the panels of some matrices lie in the parts of a weight shard. A part fits a slot.
struct ShardLayout: Sendable {
  let matrices: [MatrixLayout]
  /// Bytes of each part, and of the largest.
  let partBytes: [Int]
  var slotBytes: Int { partBytes.max() ?? 0 }
  /// [matrix][panel]
  private let places: [[Place]]

  private struct Place: Sendable {
    let part: Int
    let offset: Int
  }

  /// Panels in order, a part until the next panel would exceed `limitBytes`.
  /// - Throws: `.panelTooLarge`.
  init(_ matrices: [MatrixLayout], limitBytes: Int) throws(ComputeError) {
    self.matrices = matrices
    var parts = [0]
    var places: [[Place]] = []
    for matrix in matrices {
      var row: [Place] = []
      for bytes in matrix.byteCounts {
        let size = bytes.roundedUp(toMultipleOf: AlignedBuffer.alignmentBytes)
        guard size <= limitBytes else { throw .panelTooLarge(bytes: size, limitBytes: limitBytes) }
        if parts[parts.count - 1] > limitBytes - size { parts.append(0) }
        row.append(Place(part: parts.count - 1, offset: parts[parts.count - 1]))
        parts[parts.count - 1] += size
      }
      places.append(row)
    }
    self.places = places
    partBytes = parts
  }

  /// The matrices over parts that are in memory, by part.
  func matrices(_ bases: [UnsafeRawPointer], owner: AnyObject?) -> [PackedMatrix] {
    zip(matrices, places).map { matrix, places in
      PackedMatrix(layout: matrix, addresses: places.map { bases[$0.part] + $0.offset }, owner: owner)
    }
  }

  /// Packs the panels of those parts that have a place, all threads at once.
  /// - Parameters:
  ///   - bases: by part; nil: left out.
  ///   - row: writes the f32 weights of one output of a matrix; called from several threads.
  func fill(
    _ bases: [UnsafeMutableRawPointer?], compute: Compute,
    row: @Sendable (_ matrix: Int, _ output: Int, _ into: UnsafeMutablePointer<Float>) throws -> Void
  ) throws {
    let work = matrices.indices.flatMap { matrix in matrices[matrix].panels.indices.map { (matrix, $0) } }
      .filter { bases[places[$0.0][$0.1].part] != nil }
    let targets = work.map { matrix, panel in
      let place = places[matrix][panel]
      return bases[place.part]! + place.offset
    }
    nonisolated(unsafe) let bases = targets
    try compute.pool.run(work.count) { index, thread in
      let (matrix, panel) = work[index]
      try matrices[matrix].pack(panel: panel, into: bases[index], on: compute.threads[thread]) { output, target in
        try row(matrix, output, target)
      }
    }
  }
}
