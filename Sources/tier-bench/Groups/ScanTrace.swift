/// The reads and births of a prefill of one block to a chunk and layer, and what caches would make of them.
struct ScanTrace {
  let layers: Int
  let chunks: Int

  /// Blocks in the order they are touched: read in chunks after their own, born in their own.
  private func forEach(_ body: (_ block: Int, _ isBirth: Bool, _ time: Int) -> Void) {
    var time = 0
    for chunk in 0..<chunks {
      for layer in 0..<layers {
        for block in 0...chunk {
          body(layer * chunks + block, block == chunk, time)
          time += 1
        }
      }
    }
  }

  /// Belady's optimum with bypass, from a list of every future read. Births may pass by, too.
  func beladyHitRate(slots: Int) -> Double {
    var uses: [[Int]] = Array(repeating: [], count: layers * chunks)
    forEach { block, isBirth, time in if !isBirth { uses[block].append(time) } }
    var position = Array(repeating: 0, count: layers * chunks)
    var held: [Int: Int] = [:]
    var (hits, reads) = (0, 0)
    forEach { block, isBirth, _ in
      if !isBirth {
        reads += 1
        if held[block] != nil { hits += 1 }
        position[block] += 1
      }
      let next = position[block] < uses[block].count ? uses[block][position[block]] : Int.max
      held[block] = next
      if held.count > slots { held[held.max { $0.value < $1.value }!.key] = nil }
    }
    return Double(hits) / Double(reads)
  }

  func lruHitRate(slots: Int) -> Double {
    var lastUse: [Int: Int] = [:]
    var (hits, reads) = (0, 0)
    forEach { block, isBirth, time in
      if !isBirth {
        reads += 1
        if lastUse[block] != nil { hits += 1 }
      }
      lastUse[block] = time
      if lastUse.count > slots { lastUse[lastUse.min { $0.value < $1.value }!.key] = nil }
    }
    return Double(hits) / Double(reads)
  }
}
