import FoundationEssentials
import Glibc

/// A directory of this run's own, removed with the last reference.
final class Scratch {
  let path: String

  init() throws(StressFault) {
    // Not /tmp, which may be in memory: the spill is to be on a disk.
    let base = getenv("TMPDIR").map { String(cString: $0) } ?? "/var/tmp"
    var template = Array("\(base)/tier-stress.XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw .io("cannot make a directory in \(base): \(errorText(errno))") }
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    // Clients of another user are to reach the socket in it, as they reach /run/tierd.
    guard chmod(path, 0o711) == 0 else { throw .io("cannot open \(path) to others: \(errorText(errno))") }
  }

  deinit {
    do { try FileManager.default.removeItem(atPath: path) } catch {
      writeToStandardError("tier-stress: cannot remove \(path): \(error)\n")
    }
  }
}
