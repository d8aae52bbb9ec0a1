import TierCore

/// What `tierctl recommend --json` prints.
struct RecommendReply: Encodable {
  struct Limit: Encodable {
    let kind: String
    let tokens: Int
    let isLeast: Bool
    let why: String
  }
  struct Move: Encodable {
    let from: String
    let to: String
    let blocks: Int
    let bytes: Int
  }

  let contextTokens: Int
  let chunkTokens: Int
  let chunkBinding: String
  let limits: [Limit]
  let kvBytes: Int
  let weightBytes: Int
  let activationBytes: Int
  /// Why it cannot run at all.
  let refused: String?
  let peakBytes: [String: Int]
  let moves: [Move]
  let refilledWeightBytes: Int
  let seconds: [String: Double]
  let binding: String

  init(_ found: Recommendation, _ model: ModelShape, context: Int, chunkTokens: Int?) {
    contextTokens = context
    self.chunkTokens = chunkTokens ?? found.chunk.tokens
    chunkBinding = found.chunk.binding.rawValue
    limits = found.chunk.limits.map {
      Limit(kind: $0.kind.rawValue, tokens: $0.tokens, isLeast: $0.isLeast, why: $0.why)
    }
    kvBytes = context * model.kvBytesPerToken
    weightBytes = model.weightBytes
    activationBytes = self.chunkTokens * model.activationBytesPerToken
    refused = found.refusal?.message
    refilledWeightBytes = found.refilledWeightBytes
    seconds = Dictionary(uniqueKeysWithValues: found.seconds.map { ($0.key.rawValue, $0.value) })
    binding = found.binding.rawValue
    guard let replay = found.replay else {
      peakBytes = [:]
      moves = []
      return
    }
    peakBytes = [
      "device": replay.device.peakBytes, "host": replay.host.peakBytes, "disk": replay.disk.peakBytes,
    ]
    moves = [
      ("worker", "device", replay.bornOnDevice), ("worker", "host", replay.bornOnHost),
      ("device", "host", replay.deviceToHost), ("host", "device", replay.hostToDevice),
      ("host", "disk", replay.hostToDisk), ("disk", "host", replay.diskToHost),
    ].filter { $0.2.blocks > 0 }.map { Move(from: $0.0, to: $0.1, blocks: $0.2.blocks, bytes: $0.2.bytes) }
  }
}

/// The same as a page.
enum RecommendView {
  static func render(_ reply: RecommendReply) -> String {
    var parts = [
      "chunk size  \(Numbers.count(reply.chunkTokens)) tokens (decided by: \(reply.chunkBinding))",
      limits(reply),
      "KV of \(Numbers.count(reply.contextTokens)) tokens \(Numbers.bytes(reply.kvBytes)), weights "
        + "\(Numbers.bytes(reply.weightBytes)), activations of a chunk \(Numbers.bytes(reply.activationBytes))",
    ]
    if let refused = reply.refused {
      parts.append("It cannot run: \(refused)")
      return parts.joined(separator: "\n\n")
    }
    parts.append(peaks(reply))
    if !reply.moves.isEmpty { parts.append(moves(reply)) }
    let times = ["compute", "link", "disk"].map { "\($0) \(Numbers.duration(reply.seconds[$0] ?? 0))" }
    parts.append("busy, side by side: \(times.joined(separator: ", ")); what binds is the \(reply.binding)")
    return parts.joined(separator: "\n\n")
  }

  private static func limits(_ reply: RecommendReply) -> String {
    var table = Table([("limit", .left), ("tokens", .right), ("because", .left)])
    for limit in reply.limits {
      table.add([
        limit.kind, (limit.isLeast ? "≥ " : "≤ ") + Numbers.count(limit.tokens), limit.why,
      ])
    }
    return table.render()
  }

  private static func peaks(_ reply: RecommendReply) -> String {
    var table = Table([("tier", .left), ("peak", .right)])
    for tier in ["device", "host", "disk"] { table.add([tier, Numbers.bytes(reply.peakBytes[tier] ?? 0)]) }
    return table.render()
  }

  private static func moves(_ reply: RecommendReply) -> String {
    var table = Table([("moves", .left), ("blocks", .right), ("bytes", .right)])
    for move in reply.moves {
      table.add(["\(move.from) to \(move.to)", Numbers.count(move.blocks), Numbers.bytes(move.bytes)])
    }
    if reply.refilledWeightBytes > 0 {
      table.add(["file to worker, again", "", Numbers.bytes(reply.refilledWeightBytes)])
    }
    return table.render()
  }
}
