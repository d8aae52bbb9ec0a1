import FoundationEssentials
package import TierCore

/// An arena as the wire says it: its descriptor travels beside the frame.
package struct ArenaDescription: Sendable, Hashable {
  package var arena: ArenaID
  package var tier: Tier
  package var role: ArenaAnnouncement.Role
  package var slotBytes: Int
  package var slotCount: Int
  /// Since version 3 other than a file.
  package var memory: ArenaMemory

  package init(
    arena: ArenaID, tier: Tier, role: ArenaAnnouncement.Role, slotBytes: Int, slotCount: Int,
    memory: ArenaMemory = .file
  ) {
    self.arena = arena
    self.tier = tier
    self.role = role
    self.slotBytes = slotBytes
    self.slotCount = slotCount
    self.memory = memory
  }

  /// Bytes of all slots. Both factors are limited where they come from, so this cannot overflow.
  package var sizeBytes: Int { slotBytes * slotCount }
}

extension ArenaDescription {
  init(_ announcement: ArenaAnnouncement) {
    self.init(
      arena: announcement.arena, tier: announcement.tier, role: announcement.role, slotBytes: announcement.slotBytes,
      slotCount: announcement.slotCount, memory: announcement.memory)
  }

  static func message(_ arenas: [ArenaDescription]) throws(FrameError) -> WireArenas {
    var message = WireArenas()
    for arena in arenas { message.arenas.append(try arena.message()) }
    return message
  }

  static func list(_ message: WireArenas) throws(FrameError) -> [ArenaDescription] {
    try message.requireOnlyKnownFields()
    guard !message.arenas.isEmpty else { throw .malformed("an announcement of no arena") }
    _ = try Field.checked(message.arenas.count, "arenas", atMost: ProtocolLimits.descriptorsPerMessage)
    var arenas: [ArenaDescription] = []
    for arena in message.arenas { arenas.append(try ArenaDescription(arena)) }
    return arenas
  }

  private func message() throws(FrameError) -> WireArena {
    var message = WireArena()
    message.arena = arena.rawValue
    message.tier = WireTier(tier)
    message.role =
      switch role {
      case .data: .data
      case .staging: .staging
      case .generations: .generations
      }
    message.slotBytes = UInt64(try Field.checked(slotBytes, "bytes of a slot", atMost: BlockLayout.maxSlotBytes))
    message.slotCount = UInt32(try Field.checked(slotCount, "slots", atMost: Int(UInt32.max)))
    if case .cuda(let device, let allocationBytes) = memory {
      message.memory = .cuda
      message.deviceUuid = Data(device)
      message.allocationBytes = UInt64(allocationBytes)
    }
    return message
  }

  private init(_ message: WireArena) throws(FrameError) {
    try message.requireOnlyKnownFields()
    let role: ArenaAnnouncement.Role
    switch message.role {
    case .data: role = .data
    case .staging: role = .staging
    case .generations: role = .generations
    case .unspecified, .UNRECOGNIZED: throw .malformed("an arena with no known role")
    }
    guard message.slotBytes > 0, message.slotCount > 0 else { throw .malformed("an arena of no bytes") }
    guard role != .generations || message.slotBytes == 8 else {
      throw .malformed("generations of \(message.slotBytes) bytes")
    }
    self.init(
      arena: ArenaID(message.arena), tier: try Field.tier(message.tier), role: role,
      slotBytes: try Field.checked(message.slotBytes, "bytes of a slot", atMost: BlockLayout.maxSlotBytes),
      slotCount: Int(message.slotCount), memory: try Self.memory(message, role))
    guard case .cuda(_, let allocationBytes) = memory, sizeBytes > allocationBytes else { return }
    throw .malformed("\(sizeBytes) bytes of slots in memory of \(allocationBytes)")
  }

  private static func memory(_ message: WireArena, _ role: ArenaAnnouncement.Role) throws(FrameError) -> ArenaMemory {
    switch message.memory {
    case .file:
      guard message.deviceUuid.isEmpty, message.allocationBytes == 0 else { throw .malformed("a file on a device") }
      return .file
    case .cuda:
      guard role == .data else { throw .malformed("CUDA memory that is no data") }
      guard message.deviceUuid.count == 16 else {
        throw .malformed("a device named by \(message.deviceUuid.count) bytes")
      }
      let bytes = try Field.checked(message.allocationBytes, "bytes of device memory", atMost: 1 << 46)
      return .cuda(device: [UInt8](message.deviceUuid), allocationBytes: bytes)
    case .UNRECOGNIZED: throw .malformed("an arena of no known memory")
    }
  }
}
