package import TierCore

/// What a server sends: one frame is one of these.
package enum ServerMessage: Sendable, Hashable {
  case welcome(Welcome)
  case failure(Failure)
  case arenas([ArenaDescription])
  /// One reply, or several about consecutive blocks.
  case replies([Reply])
  case statistics(StoreStatistics)
  /// Since version 2.
  case trace(MoveTrace)
}

extension ServerMessage {
  package init(frame: UnsafeRawBufferPointer) throws(FrameError) {
    let frame = try ProtobufFrame.decode(WireServerFrame.self, frame)
    try frame.requireOnlyKnownFields()
    switch frame.body {
    case .welcome(let body): self = .welcome(try Welcome(body))
    case .failure(let body): self = .failure(try Failure(body))
    case .arenas(let body): self = .arenas(try ArenaDescription.list(body))
    case .statistics(let body): self = .statistics(try StoreStatistics(body))
    case .trace(let body): self = .trace(try MoveTrace(body))
    case .some(let body): self = .replies(try Reply.decode(body))
    case nil: throw .malformed("it has no body")
    }
  }

  /// The frames of a message, in order: one, but for replies, which take as many as they need.
  package func frames() throws(FrameError) -> [[UInt8]] {
    var frame = WireServerFrame()
    switch self {
    case .welcome(let welcome): frame.body = .welcome(welcome.message)
    case .failure(let failure): frame.body = .failure(failure.message)
    case .arenas(let arenas): frame.body = .arenas(try ArenaDescription.message(arenas))
    case .statistics(let statistics): frame.body = .statistics(statistics.message)
    case .trace(let trace): frame.body = .trace(try trace.message())
    case .replies(let replies): return try ReplyFrames.encode(replies)
    }
    return [try ProtobufFrame.encode(frame)]
  }
}
