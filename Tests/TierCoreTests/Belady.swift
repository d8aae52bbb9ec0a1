/// Belady's optimum with bypass over a prefill's reads, by looking at the whole future.
enum Belady {
  /// Reads that find their block in a memory of `slots` blocks, when blocks are born in it or pass it by.
  static func hits(layers: Int, chunks: Int, slots: Int) -> (hits: Int, reads: Int) {
    // A block's reads: step `chunk * layers + layer`, for the chunks after its own.
    func nextRead(_ layer: Int, _ block: Int, after step: Int) -> Int {
      let chunk = max(block + 1, (step - layer) / layers + (step >= layer ? 1 : 0))
      return chunk < chunks ? chunk * layers + layer : Int.max
    }
    var held: [Int: Int] = [:]
    var (hits, reads) = (0, 0)
    func offer(_ id: Int, _ next: Int) {
      held[id] = next
      guard held.count > slots else { return }
      let farthest = held.max { ($0.value, $0.key) < ($1.value, $1.key) }!
      held[farthest.key] = nil
    }
    for chunk in 0..<chunks {
      for layer in 0..<layers {
        let step = chunk * layers + layer
        for block in 0..<chunk {
          let id = layer * chunks + block
          reads += 1
          if held[id] != nil { hits += 1 }
          held[id] = nil
          offer(id, nextRead(layer, block, after: step))
        }
        offer(layer * chunks + chunk, nextRead(layer, chunk, after: step))
      }
    }
    return (hits, reads)
  }
}
