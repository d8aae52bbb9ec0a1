import ControlAPI
import FoundationEssentials
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import NIOPosix

/// A request's context that keeps the channel, for the peer's credentials.
struct ControlContext: RequestContext {
  var coreContext: CoreRequestContextStorage
  let channel: any Channel

  init(source: ApplicationRequestContextSource) {
    self.coreContext = .init(source: source)
    self.channel = source.channel
  }
}

/// From a request to a reply: the route, the peer's right to it, the body's shape, the store's answer.
struct ControlResponder: HTTPResponder {
  let store: any ControlledStore
  let policy: AccessPolicy
  let threads: NIOThreadPool
  let logger: Logger

  func respond(to request: Request, context: ControlContext) async throws -> Response {
    do {
      return try await answer(request, context)
    } catch let error as ControlError {
      return Self.error(error)
    } catch is NIOTooManyBytesError {
      return Self.error(
        ControlError(status: 413, message: "the body exceeds \(ControlLimits.requestBodyBytes) bytes"))
    } catch {
      logger.error("a control request failed", metadata: ["path": "\(request.uri.path)", "error": "\(error)"])
      return Self.error(ControlError(status: 500, message: "the daemon failed to answer; its log says why"))
    }
  }

  private func answer(_ request: Request, _ context: ControlContext) async throws -> Response {
    let peer = try await Peer.of(context.channel).get()
    guard let route = ControlRoute(rawValue: request.uri.path) else {
      throw ControlError.notFound("there is no \(Self.clipped(request.uri.path)) here")
    }
    guard request.method == (route.changes ? .post : .get) else {
      throw ControlError(status: 405, message: "\(route.rawValue) takes \(route.changes ? "POST" : "GET") only")
    }
    guard !route.changes || policy.mayChange(peer) else {
      logger.notice("refused", metadata: ["path": "\(route.rawValue)", "uid": "\(peer.uid)", "pid": "\(peer.pid)"])
      throw ControlError.forbidden(
        "user \(peer.uid) may look but not change: run it as root or as user \(policy.daemonUID)")
    }
    if route.changes {
      logger.notice("asked", metadata: ["path": "\(route.rawValue)", "uid": "\(peer.uid)", "pid": "\(peer.pid)"])
    }
    return try await answer(route, request)
  }

  private func answer(_ route: ControlRoute, _ request: Request) async throws -> Response {
    switch route {
    case .healthz: return Self.text("ok\n")
    case .metrics:
      let status = try await threads.runIfActive { store.status() }
      return Self.text(PrometheusText.render(status), type: PrometheusText.contentType)
    case .status: return try Self.json(try await threads.runIfActive { store.status() })
    case .sessions: return try Self.json(try await threads.runIfActive { store.sessions() })
    case .blocks:
      let query = try BlocksQuery(parameters: request.uri.queryParameters.map { (String($0.key), String($0.value)) })
      return try Self.json(try await threads.runIfActive { try store.blocks(query) })
    case .set:
      let body = try await Self.body(SetRequest.self, request)
      if let fault = body.fault { throw fault }
      return try Self.json(try await threads.runIfActive { try store.set(body) })
    case .evict:
      let body = try await Self.body(EvictRequest.self, request)
      if let fault = body.fault { throw fault }
      return try Self.json(try await threads.runIfActive { try store.evict(body) })
    case .verify:
      let body = try await Self.body(VerifyRequest.self, request)
      if let fault = body.fault { throw fault }
      return try Self.json(try await threads.runIfActive { try store.verify(body) })
    case .verification: return try Self.json(try await threads.runIfActive { try store.verification() })
    case .drain:
      let body = try await Self.body(DrainRequest.self, request)
      if let fault = body.fault { throw fault }
      return try Self.json(try await drain(deadlineMs: body.deadlineMs))
    }
  }

  private static func body<Body: Decodable>(_ type: Body.Type, _ request: Request) async throws -> Body {
    let buffer = try await request.body.collect(upTo: ControlLimits.requestBodyBytes)
    do {
      return try ControlJSON.decode(type, from: Data(buffer.readableBytesView))
    } catch let error as DecodingError {
      throw ControlError.badRequest("the body does not read as JSON for this: \(error.oneLine)")
    }
  }

  private static func clipped(_ path: String) -> String {
    path.unicodeScalars.count <= 64 ? path : String(path.prefix(64)) + "…"
  }
}

extension ControlResponder {
  static func json(_ value: some Encodable) throws -> Response {
    response(.ok, type: "application/json", body: ByteBuffer(bytes: try ControlJSON.encode(value)))
  }

  static func text(_ text: String, type: String = "text/plain; charset=utf-8") -> Response {
    response(.ok, type: type, body: ByteBuffer(string: text))
  }

  /// The message on one line, whatever it came with.
  static func error(_ error: ControlError) -> Response {
    let line = error.message.split(whereSeparator: \.isNewline).joined(separator: " ")
    let status = HTTPResponse.Status(code: (400...599).contains(error.status) ? error.status : 500)
    let body = (try? ControlJSON.encode(ErrorReply(error: line))) ?? Data(#"{"error":"unprintable"}"#.utf8)
    return response(status, type: "application/json", body: ByteBuffer(bytes: body))
  }

  private static func response(_ status: HTTPResponse.Status, type: String, body: ByteBuffer) -> Response {
    Response(
      status: status, headers: [.contentType: type, .contentLength: "\(body.readableBytes)"],
      body: .init(byteBuffer: body))
  }
}
