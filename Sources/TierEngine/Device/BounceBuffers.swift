import Glibc
import TierMemory
import TierSpill

/// Memory of the daemon's own that a block passes on its birth to a device: the checksum must be of bytes its writer cannot
/// change any more, and a device's cannot be read here. For one thread; there are as many buffers as it has under way.
final class BounceBuffers {
  struct Buffer {
    let base: UnsafeMutableRawPointer
    let bytes: Int
    let isRegistered: Bool

    func checksum(_ count: Int) -> UInt64 { Checksum.of(UnsafeRawBufferPointer(start: base, count: count)) }
  }

  private let device: any DeviceBackend
  private let report: @Sendable (String) -> Void
  private var spare: [Buffer] = []
  private var isReported = false
  private static let pageBytes = 4096

  init(_ device: any DeviceBackend, report: @escaping @Sendable (String) -> Void) {
    self.device = device
    self.report = report
  }

  deinit { for buffer in spare { free(buffer) } }

  /// A buffer of at least so many bytes.
  func take(_ bytes: Int) -> Buffer {
    if let place = spare.lastIndex(where: { $0.bytes >= bytes }) { return spare.remove(at: place) }
    // One that is too small makes place for one that fits: blocks of another model come now.
    if let small = spare.popLast() { free(small) }
    return make((bytes + Self.pageBytes - 1) / Self.pageBytes * Self.pageBytes)
  }

  func giveBack(_ buffer: Buffer) { spare.append(buffer) }

  private func make(_ bytes: Int) -> Buffer {
    guard let base = mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), base != MAP_FAILED
    else { fatalError("cannot map \(bytes) bytes to copy a block through: \(String(cString: strerror(errno)))") }
    madvise(base, bytes, MADV_DONTDUMP)
    do throws(HostRegistrarFault) {
      try device.register(base, bytes: bytes)
      return Buffer(base: base, bytes: bytes, isRegistered: true)
    } catch {
      if !isReported { report("births to the device pass memory that is not pinned: \(error.message)") }
      isReported = true
      return Buffer(base: base, bytes: bytes, isRegistered: false)
    }
  }

  private func free(_ buffer: Buffer) {
    if buffer.isRegistered { device.unregister(buffer.base, bytes: buffer.bytes) }
    munmap(buffer.base, buffer.bytes)
  }
}
