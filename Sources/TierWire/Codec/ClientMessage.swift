package import TierCore

/// What a client sends: one per frame.
package enum ClientMessage: Sendable, Hashable {
  case hello(Hello)
  case request(Request)
  case statisticsQuery
  /// Since version 2.
  case traceQuery
}

extension ClientMessage {
  /// Reads one frame. Every client frame holds scalars and one byte string at most, so decoding allocates no more than
  /// the frame's own size.
  package init(frame: UnsafeRawBufferPointer) throws(FrameError) {
    let frame = try ProtobufFrame.decode(WireClientFrame.self, frame)
    try frame.requireOnlyKnownFields()
    switch frame.body {
    case .hello(let body): self = .hello(try Hello(body))
    case .statisticsQuery(let body):
      try body.requireOnlyKnownFields()
      self = .statisticsQuery
    case .traceQuery(let body):
      try body.requireOnlyKnownFields()
      self = .traceQuery
    case .some(let body): self = .request(try Request(body))
    case nil: throw .malformed("it has no body")
    }
  }

  package func frame() throws(FrameError) -> [UInt8] {
    var frame = WireClientFrame()
    switch self {
    case .hello(let hello): frame.body = .hello(hello.message)
    case .request(let request): frame.body = try request.body()
    case .statisticsQuery: frame.body = .statisticsQuery(WireStatisticsQuery())
    case .traceQuery: frame.body = .traceQuery(WireTraceQuery())
    }
    return try ProtobufFrame.encode(frame)
  }
}
