/// Why a run could not be made, or what it found: one line a user can act on, and an exit code of sysexits.
enum StressFault: Error {
  case usage(String)
  /// A program or a daemon that is needed is not there.
  case missing(String)
  /// A promise of the daemon was broken.
  case failed(String)
  case io(String)

  var message: String {
    switch self {
    case .usage(let text), .missing(let text), .failed(let text), .io(let text): text
    }
  }

  var exitCode: Int32 {
    switch self {
    case .usage: 64
    case .missing: 69
    case .failed: 70
    case .io: 74
    }
  }
}
