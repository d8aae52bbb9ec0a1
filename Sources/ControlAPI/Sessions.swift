/// `GET /v1/sessions`: who is connected to the worker socket.
public struct SessionsReply: Codable, Sendable, Equatable {
  public var sessions: [SessionStatus]

  public init(sessions: [SessionStatus]) { self.sessions = sessions }
}

/// One worker's connection and what it holds.
public struct SessionStatus: Codable, Sendable, Equatable {
  public var id: UInt64
  /// As the kernel told them at accept.
  public var uid: UInt32
  /// As in `TenantStatus`.
  public var tenant: String
  public var pid: Int32
  /// What the worker calls itself; not to be trusted.
  public var client: String
  public var sequences: SequenceCounts
  public var leases: Int
  /// Staging slots reserved and not sealed yet.
  public var staged: Int
  public var connectedS: Double

  public init(
    id: UInt64, uid: UInt32, tenant: String, pid: Int32, client: String, sequences: SequenceCounts, leases: Int,
    staged: Int,
    connectedS: Double
  ) {
    self.id = id
    self.uid = uid
    self.tenant = tenant
    self.pid = pid
    self.client = client
    self.sequences = sequences
    self.leases = leases
    self.staged = staged
    self.connectedS = connectedS
  }
}
