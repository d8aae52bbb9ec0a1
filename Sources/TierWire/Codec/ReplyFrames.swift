import TierCore

/// Replies to frames. Replies about single blocks that follow each other block by block become one frame.
enum ReplyFrames {
  static func encode(_ replies: [Reply]) throws(FrameError) -> [[UInt8]] {
    if replies.count == 1 { return [try frame(replies[0].body())] }
    var frames: [[UInt8]] = []
    var next = replies.startIndex
    while next < replies.endIndex {
      let end = endOfRun(replies, from: next)
      frames.append(try frame(end == next + 1 ? replies[next].body() : replies[next..<end].runBody()))
      next = end
    }
    return frames
  }

  private static func frame(_ body: WireServerFrame.OneOf_Body) throws(FrameError) -> [UInt8] {
    var frame = WireServerFrame()
    frame.body = body
    return try ProtobufFrame.encode(frame)
  }

  private static func endOfRun(_ replies: [Reply], from start: Int) -> Int {
    var end = start + 1
    while end < replies.endIndex, end - start < ProtocolLimits.blocksPerRequest,
      replies[end].continues(replies[end - 1])
    {
      end += 1
    }
    return end
  }
}

extension Reply {
  /// Whether this says of the next block what `previous` says of its own.
  fileprivate func continues(_ previous: Reply) -> Bool {
    switch (previous, self) {
    case (.sealed(let s, let l, let b, let o), .sealed(let s2, let l2, let b2, let o2)):
      s == s2 && l == l2 && b2 == b + 1 && o == o2
    case (.durable(let s, let l, let b), .durable(let s2, let l2, let b2)): s == s2 && l == l2 && b2 == b + 1
    case (.lost(let s, let l, let b), .lost(let s2, let l2, let b2)): s == s2 && l == l2 && b2 == b + 1
    case (.ready(let s, let l, let b, _, _), .ready(let s2, let l2, let b2, _, _)): s == s2 && l == l2 && b2 == b + 1
    default: false
    }
  }
}

extension ArraySlice<Reply> {
  /// The body for several replies that continue each other.
  fileprivate func runBody() throws(FrameError) -> WireServerFrame.OneOf_Body {
    let body = try self[startIndex].body()
    switch body {
    case .sealed(var m):
      m.count = UInt32(count)
      return .sealed(m)
    case .durable(var m):
      m.count = UInt32(count)
      return .durable(m)
    case .lost(var m):
      m.count = UInt32(count)
      return .lost(m)
    case .ready(var m):
      for case .ready(_, _, _, let slot, let generation) in dropFirst() {
        m.slots.append(BlockRuns.place(slot))
        m.generations.append(generation)
      }
      return .ready(m)
    default: return body
    }
  }
}
