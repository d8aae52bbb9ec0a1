import Glibc
import Logging

/// The limit of open files: raised as far as this process may, and told where it is too low for what it does.
enum OpenFiles {
  /// 256 workers with a socket and a staging arena each, the arenas, the spill's segments.
  static let enough: UInt64 = 4096

  static func prepare(_ logger: Logger) {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
      return logger.warning("the limit of open files cannot be read: \(String(cString: strerror(errno)))")
    }
    if limit.rlim_cur < limit.rlim_max {
      var raised = limit
      raised.rlim_cur = limit.rlim_max
      // Not permitted under the unit's filter, where both are what LimitNOFILE= says.
      if setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &raised) == 0 { limit = raised }
    }
    guard limit.rlim_cur < enough else { return }
    logger.warning(
      "few files may be open: with many workers some are turned away; set LimitNOFILE= (ulimit -n) to \(enough) or more",
      metadata: ["limit": "\(limit.rlim_cur)"])
  }
}
