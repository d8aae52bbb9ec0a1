import CLinux
import Glibc
import TierCore

/// An arena of the store, mapped into this process. Unmapped when the last session that uses it is gone.
final class MappedArena: Sendable {
  let description: ArenaDescription
  private let base: UInt

  /// Maps what `descriptor` names, after checking that it is what the announcement says and can never shrink. The
  /// descriptor stays the caller's.
  init(_ description: ArenaDescription, descriptor: Int32) throws(ResidencyError) {
    let name = "arena \(description.arena.rawValue)"
    let size = tierd_memfd_size(descriptor)
    guard size >= 0 else { throw .badSlot("\(name) is no memory file: it is not mapped") }
    guard tierd_memfd_is_fixed_size(descriptor) else {
      throw .badSlot("\(name) is not sealed against shrinking: it is not mapped")
    }
    guard size >= description.sizeBytes else {
      throw .badSlot("\(name) has \(size) bytes, \(description.sizeBytes) were announced: it is not mapped")
    }
    let protection = description.role == .staging ? PROT_READ | PROT_WRITE : PROT_READ
    guard let map = mmap(nil, description.sizeBytes, protection, MAP_SHARED, descriptor, 0), map != MAP_FAILED else {
      throw .badSlot("cannot map \(name), \(ByteCount.text(description.sizeBytes)): \(errorText(errno))")
    }
    // A crashed worker's core holds none of the prompts in here.
    _ = madvise(map, description.sizeBytes, Int32(MADV_DONTDUMP))
    self.description = description
    base = UInt(bitPattern: map)
  }

  deinit { munmap(UnsafeMutableRawPointer(bitPattern: base), description.sizeBytes) }

  /// The bytes of a slot; nil where there is no such slot.
  func slot(_ index: UInt32) -> UnsafeMutableRawBufferPointer? {
    guard index < description.slotCount else { return nil }
    let start = UnsafeMutableRawPointer(bitPattern: base + UInt(index) * UInt(description.slotBytes))
    return UnsafeMutableRawBufferPointer(start: start, count: description.slotBytes)
  }

  /// The generation of a slot, for an arena of generations: after what was read of the slot before.
  func generation(_ index: UInt32) -> UInt64? {
    guard let entry = slot(index)?.baseAddress else { return nil }
    return tierd_generation_after_use(entry.assumingMemoryBound(to: UInt64.self))
  }
}
