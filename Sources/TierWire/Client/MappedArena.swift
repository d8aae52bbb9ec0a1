import CLinux
import Glibc
import TierCore

/// An arena of the store, mapped or imported into this process. Let go when the last session that uses it is gone.
final class MappedArena: Sendable {
  let description: ArenaDescription
  private let memory: Memory

  private enum Memory {
    case file(base: UInt)
    case device(any ImportedDeviceMemory)
  }

  /// Takes what `descriptor` names, after checking that it is what the announcement says. The descriptor stays the
  /// caller's.
  init(
    _ description: ArenaDescription, descriptor: Int32, importer: (any DeviceImporter)?
  ) throws(ResidencyError) {
    self.description = description
    switch description.memory {
    case .file: memory = .file(base: try Self.map(description, descriptor))
    case .cuda(let device, let allocationBytes):
      guard let importer else {
        throw .badSlot(
          "the store's compute tier is memory of a CUDA device, and this worker computes on the CPU: "
            + "start tierd with --device none or emulated for it")
      }
      memory = .device(
        try importer.importMemory(descriptor: descriptor, device: device, allocationBytes: allocationBytes))
    }
  }

  /// Maps a file that can never shrink.
  private static func map(_ description: ArenaDescription, _ descriptor: Int32) throws(ResidencyError) -> UInt {
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
    return UInt(bitPattern: map)
  }

  deinit {
    guard case .file(let base) = memory else { return }
    munmap(UnsafeMutableRawPointer(bitPattern: base), description.sizeBytes)
  }

  /// The bytes of a slot; nil where there is no such slot, or it is in a device's memory.
  func slot(_ index: UInt32) -> UnsafeMutableRawBufferPointer? {
    guard index < description.slotCount, case .file(let base) = memory else { return nil }
    let start = UnsafeMutableRawPointer(bitPattern: base + UInt(index) * UInt(description.slotBytes))
    return UnsafeMutableRawBufferPointer(start: start, count: description.slotBytes)
  }

  /// Copies the first bytes of a slot; false where there is no such slot.
  func read(_ index: UInt32, into bytes: UnsafeMutableRawBufferPointer) throws(ResidencyError) -> Bool {
    guard index < description.slotCount, bytes.count <= description.slotBytes else { return false }
    switch memory {
    case .file: bytes.copyMemory(from: UnsafeRawBufferPointer(rebasing: slot(index)![..<bytes.count]))
    case .device(let imported): try imported.read(offset: Int(index) * description.slotBytes, into: bytes)
    }
    return true
  }

  /// The generation of a slot, for an arena of generations: after what was read of the slot before.
  func generation(_ index: UInt32) -> UInt64? {
    guard let entry = slot(index)?.baseAddress else { return nil }
    return tierd_generation_after_use(entry.assumingMemoryBound(to: UInt64.self))
  }
}
