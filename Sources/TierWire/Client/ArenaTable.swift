import Glibc
import TierCore

/// The arenas a session was handed.
struct ArenaTable {
  private struct Key: Hashable {
    let arena: ArenaID
    let role: ArenaAnnouncement.Role
  }

  private var arenas: [Key: MappedArena] = [:]
  /// For device memory; nil where this session takes none.
  let importer: (any DeviceImporter)?

  init(importer: (any DeviceImporter)?) { self.importer = importer }

  /// A store has a few per tier; this many mean that something is wrong.
  static let arenasMax = 4096

  /// Maps the arenas of one announcement and closes all its descriptors, whatever happens.
  mutating func add(_ descriptions: [ArenaDescription], _ descriptors: [Int32]) throws(ResidencyError) {
    defer { for descriptor in descriptors { close(descriptor) } }
    guard descriptions.count == descriptors.count else {
      throw .violated("the daemon announced \(descriptions.count) arenas with \(descriptors.count) descriptors")
    }
    for (description, descriptor) in zip(descriptions, descriptors) {
      let key = Key(arena: description.arena, role: description.role)
      guard arenas[key] == nil else {
        throw .violated("the daemon announced arena \(description.arena.rawValue) twice")
      }
      guard arenas.count < Self.arenasMax else { throw .violated("the daemon announced too many arenas") }
      arenas[key] = try MappedArena(description, descriptor: descriptor, importer: importer)
    }
  }

  func arena(_ id: ArenaID, _ role: ArenaAnnouncement.Role) -> MappedArena? { arenas[Key(arena: id, role: role)] }
}
