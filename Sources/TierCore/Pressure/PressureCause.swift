/// Why the host tier gives memory back.
public enum PressureCause: Sendable, Equatable {
  case groupLimit(name: String, limitBytes: Int, isHard: Bool)
  case machineShort(availableBytes: Int)
  /// Tasks of the process's own group, or of the machine, wait for memory.
  case stalls(percent: Int, isOwn: Bool)
  case told

  /// What it is, whatever its figures.
  public enum Kind: String, Sendable, CaseIterable {
    case groupLimit = "group_limit"
    case machineShort = "machine_short"
    case stalls, told
  }

  public var kind: Kind {
    switch self {
    case .groupLimit: .groupLimit
    case .machineShort: .machineShort
    case .stalls: .stalls
    case .told: .told
    }
  }

  /// What is the matter.
  public var message: String {
    switch self {
    case .groupLimit(let name, let limit, let isHard):
      "control group \(name) is near its memory.\(isHard ? "max" : "high") of \(ByteCount.text(limit))"
    case .machineShort(let available): "the machine has only \(ByteCount.text(max(0, available))) of memory left"
    case .stalls(let percent, let isOwn):
      "tasks of \(isOwn ? "this service" : "the machine") wait for memory \(percent) % of the time"
    case .told: "the service manager says that memory is short"
    }
  }

  /// What an operator could do about it.
  public var advice: String {
    switch self {
    case .groupLimit(_, _, let isHard):
      "raise \(isHard ? "MemoryMax=" : "MemoryHigh="), or lower host_budget to what it allows"
    case .machineShort, .stalls(_, isOwn: false): "stop what else takes memory, or lower host_budget"
    case .stalls, .told: "raise the service's memory limits, or lower host_budget"
    }
  }
}
