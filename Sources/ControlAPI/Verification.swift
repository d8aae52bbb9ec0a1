/// `POST /v1/verify`: reads every block on disk and verifies it, beside whatever else goes on. Where a verification runs
/// already, that one goes on.
public struct VerifyRequest: Codable, Sendable, Equatable {
  /// Bytes of disk a second at most; nil for as fast as the disk is.
  public var rateBytesPerS: Int?

  public init(rateBytesPerS: Int? = nil) { self.rateBytesPerS = rateBytesPerS }

  private enum CodingKeys: String, CodingKey, CaseIterable {
    case rateBytesPerS
  }

  /// Throws on a key it does not know.
  public init(from decoder: any Decoder) throws {
    try refuseUnknownKeys(decoder, known: CodingKeys.allCases)
    let container = try decoder.container(keyedBy: CodingKeys.self)
    rateBytesPerS = try container.decodeIfPresent(Int.self, forKey: .rateBytesPerS)
  }

  /// Why the request makes no sense whatever the store; nil where it does.
  public var fault: ControlError? {
    (rateBytesPerS ?? 1) > 0 ? nil : .badRequest("a rate is more than nothing")
  }
}

/// Where a verification stands, or how the last one ended: the answer to `POST /v1/verify` and `GET /v1/verification`.
public struct VerificationReply: Codable, Sendable, Equatable {
  public struct Damage: Codable, Sendable, Equatable {
    public var tenant: UInt32
    /// The block's id, 64 hexadecimal digits.
    public var key: String
    public var layer: UInt16
    public var why: String

    public init(tenant: UInt32, key: String, layer: UInt16, why: String) {
      self.tenant = tenant
      self.key = key
      self.layer = layer
      self.why = why
    }
  }

  public var running: Bool
  /// Records on disk when it began, and their bytes there.
  public var records: Int
  public var bytes: Int
  public var verifiedRecords: Int
  public var verifiedBytes: Int
  /// Let go by the store while the verification ran.
  public var goneRecords: Int
  /// The disk did not answer.
  public var unreadableRecords: Int
  /// Did not verify and were dropped: they are computed again when they are wanted.
  public var damagedRecords: Int
  /// The first of them.
  public var damage: [Damage]
  public var elapsedMs: Int

  public init(
    running: Bool, records: Int, bytes: Int, verifiedRecords: Int, verifiedBytes: Int, goneRecords: Int,
    unreadableRecords: Int, damagedRecords: Int, damage: [Damage], elapsedMs: Int
  ) {
    self.running = running
    self.records = records
    self.bytes = bytes
    self.verifiedRecords = verifiedRecords
    self.verifiedBytes = verifiedBytes
    self.goneRecords = goneRecords
    self.unreadableRecords = unreadableRecords
    self.damagedRecords = damagedRecords
    self.damage = damage
    self.elapsedMs = elapsedMs
  }
}
