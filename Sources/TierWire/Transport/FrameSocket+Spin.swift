import Glibc

/// Whether it pays to look for the next frame for a moment before sleeping until it comes.
///
/// Where the two ends run on different cores and have nothing else to do, each frame otherwise wakes a core that went to
/// sleep, which on a virtual machine takes longer than everything else about the request. Where they share a core, or the
/// other end computes for a while, looking is in vain: then it is not tried again for more and more frames.
struct ReceiveSpin {
  private var skipsLeft = 0
  private var skips = 0

  /// Longer than a sleeping peer takes to wake up and answer: so one end that looks is enough to begin with. Where there are
  /// processors to spare also longer than a block takes to a device and its lease back.
  static let limitNs: UInt64 = sysconf(Int32(_SC_NPROCESSORS_ONLN)) > 4 ? 150_000 : 50_000
  private static let skipsMin = 16
  private static let skipsMax = 1024

  fileprivate mutating func isDue() -> Bool {
    guard skipsLeft > 0 else { return true }
    skipsLeft -= 1
    return false
  }

  fileprivate mutating func ended(found: Bool) {
    skips = found ? 0 : min(max(2 * skips, Self.skipsMin), Self.skipsMax)
    skipsLeft = skips
  }
}

extension FrameSocket {
  /// Waits as `receive(into:wait:)` does; looks first where that has paid lately.
  func receive(into buffer: FrameBuffer, spin: inout ReceiveSpin) -> Received {
    if spin.isDue() {
      let endNs = Deadline.nowNs() + ReceiveSpin.limitNs
      repeat {
        let received = receive(into: buffer, wait: false)
        if received != .nothing {
          spin.ended(found: true)
          return received
        }
      } while Deadline.nowNs() < endNs
      spin.ended(found: false)
    }
    return receive(into: buffer, wait: true)
  }
}
