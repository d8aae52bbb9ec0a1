import Glibc
import TierSpill
import TierTesting

/// A directory of its own for one test, removed afterwards.
func withTemporaryDirectory<Result>(_ body: (String) throws -> Result) throws -> Result {
  var template = Array("/tmp/tier-spill-XXXXXX".utf8CString)
  guard let path = mkdtemp(&template).map({ String(cString: $0) }) else {
    throw SpillError.io(operation: "creation", file: "temporary directory", errno: errno)
  }
  defer { removeTree(path) }
  return try body(path)
}

private func removeTree(_ path: String) {
  guard let stream = opendir(path) else { return }
  defer {
    closedir(stream)
    rmdir(path)
  }
  while let entry = readdir(stream) {
    let name = withUnsafeBytes(of: &entry.pointee.d_name) {
      String(cString: $0.bindMemory(to: CChar.self).baseAddress!)
    }
    if name != "." && name != ".." { unlink(path + "/" + name) }
  }
}
