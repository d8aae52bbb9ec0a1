/// What the control plane asks of the running store. The engine implements it; the control server calls it, from
/// threads of its own, several at once. Calls may block briefly; `drain` for its deadline, which is a fraction of a second.
public protocol ControlledStore: Sendable {
  func status() -> StatusReply
  func blocks(_ query: BlocksQuery) throws(ControlError) -> BlocksReply
  func sessions() -> SessionsReply
  /// All budgets or none: a request that cannot be met changes nothing.
  func set(_ request: SetRequest) throws(ControlError) -> SetReply
  func evict(_ request: EvictRequest) throws(ControlError) -> EvictReply
  /// Begins to drain, or goes on; answers when drained or at the deadline. Asked again and again.
  func drain(deadlineMs: Int) throws(ControlError) -> DrainReply
  /// Begins to verify what is on disk, or joins a verification that runs; answers at once.
  func verify(_ request: VerifyRequest) throws(ControlError) -> VerificationReply
  /// Where the verification stands, or how the last one ended.
  func verification() throws(ControlError) -> VerificationReply
}

/// A request that was not carried out: the HTTP status that says whose fault it was, and one line that says what
/// happened and what to do.
public struct ControlError: Error, Codable, Sendable, Equatable {
  public var status: Int
  public var message: String

  public init(status: Int, message: String) {
    self.status = status
    self.message = message
  }

  /// The request makes no sense (400).
  public static func badRequest(_ message: String) -> ControlError { .init(status: 400, message: message) }
  /// The peer may not do this (403).
  public static func forbidden(_ message: String) -> ControlError { .init(status: 403, message: message) }
  /// There is no such thing (404).
  public static func notFound(_ message: String) -> ControlError { .init(status: 404, message: message) }
  /// The store is in no state to do this (409).
  public static func conflict(_ message: String) -> ControlError { .init(status: 409, message: message) }
  /// Not now; later it may work (503).
  public static func unavailable(_ message: String) -> ControlError { .init(status: 503, message: message) }
}

/// The body of every answer that is not 2xx.
public struct ErrorReply: Codable, Sendable, Equatable {
  public var error: String

  public init(error: String) { self.error = error }
}
