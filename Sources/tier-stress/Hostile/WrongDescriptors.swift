import CLinux
import Glibc
import TierTesting

/// Descriptors that no message toward the daemon may carry: one of every kind a process can make.
final class WrongDescriptors {
  private var all: [Int32] = []

  init() throws(StressFault) {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { throw .io("cannot make a pipe: \(errorText(errno))") }
    all += ends
    guard tierd_socketpair(&ends) == 0 else { throw .io("cannot make a socket pair: \(errorText(errno))") }
    all += ends
    all.append(tierd_memfd_create("hostile", 1 << 20))
    all.append(open("/dev/null", O_RDWR | O_CLOEXEC))
    all.append(open("/dev/zero", O_RDONLY | O_CLOEXEC))
    all.append(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC))
    all.append(open("/proc/self/status", O_RDONLY | O_CLOEXEC))
    all.append(tierd_socket())
    all.append(socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0))
    // What a container or a hardened unit refuses is left out.
    all.removeAll { $0 < 0 }
  }

  deinit { for descriptor in all { close(descriptor) } }

  /// 1 to 16 of them, some twice; now and then the connection itself, which only the kernel can then collect.
  func some(_ random: inout SeededRandom, connection: Int32) -> [Int32] {
    (0..<random.int(1...16)).map { _ in
      random.once(in: 8) ? connection : all[random.int(0...all.count - 1)]
    }
  }
}
