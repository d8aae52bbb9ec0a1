/// What the machine says of its memory at one moment. What it does not tell is nil, or empty.
public struct MemoryReading: Sendable, Equatable {
  /// A control group this process is in, with a limit.
  public struct Group: Sendable, Equatable {
    public var name: String
    /// Without what the kernel can take back by itself.
    public var usedBytes: Int
    /// The lower of `memory.high` and `memory.max`.
    public var limitBytes: Int
    /// It is `memory.max`: beyond it the kernel kills.
    public var isHard: Bool

    public init(name: String, usedBytes: Int, limitBytes: Int, isHard: Bool) {
      self.name = name
      self.usedBytes = usedBytes
      self.limitBytes = limitBytes
      self.isHard = isHard
    }
  }

  public var groups: [Group]
  /// Of the machine: what can be had without pushing anything else out, and all there is.
  public var availableBytes: Int?
  public var totalBytes: Int?
  /// For how long in all some task of this process's own group, and of the machine, has waited for memory.
  public var ownStallUs: UInt64?
  public var systemStallUs: UInt64?
  /// The service manager, or the kernel for the process's own group, has said that memory is short.
  public var isTold: Bool

  public init(
    groups: [Group] = [], availableBytes: Int? = nil, totalBytes: Int? = nil, ownStallUs: UInt64? = nil,
    systemStallUs: UInt64? = nil, isTold: Bool = false
  ) {
    self.groups = groups
    self.availableBytes = availableBytes
    self.totalBytes = totalBytes
    self.ownStallUs = ownStallUs
    self.systemStallUs = systemStallUs
    self.isTold = isTold
  }
}
