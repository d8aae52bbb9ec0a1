/// The paths of the control socket, for the server and its clients.
public enum ControlRoute: String, Sendable, CaseIterable {
  case status = "/v1/status"
  case blocks = "/v1/blocks"
  case sessions = "/v1/sessions"
  case set = "/v1/set"
  case evict = "/v1/evict"
  case drain = "/v1/drain"
  case verify = "/v1/verify"
  case verification = "/v1/verification"
  case metrics = "/metrics"
  case healthz = "/healthz"

  /// Changes the daemon, and is a POST; the rest only read.
  public var changes: Bool {
    switch self {
    case .set, .evict, .drain, .verify: true
    case .status, .blocks, .sessions, .verification, .metrics, .healthz: false
    }
  }
}

/// Limits both ends keep.
public enum ControlLimits {
  public static let requestBodyBytes = 64 << 10
  /// A page of `BlocksQuery.maxLimit` blocks and the metrics text stay well below.
  public static let replyBytes = 4 << 20
}
