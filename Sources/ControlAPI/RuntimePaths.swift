/// Where daemon, workers and `tierctl` meet unless told otherwise.
public enum RuntimePaths {
  public static let workerSocketName = "worker.sock"
  public static let controlSocketName = "control.sock"
  /// Longest path a Unix socket can have: `sun_path` with its closing zero.
  public static let maxSocketPathBytes = 107

  /// `/run/tierd` for root, `$XDG_RUNTIME_DIR/tierd` for others; nil where that is not set.
  public static func runtimeDirectory(uid: UInt32, environment: [String: String]) -> String? {
    uid == 0 ? "/run/tierd" : base(environment["XDG_RUNTIME_DIR"]).map { $0 + "/tierd" }
  }

  /// `/var/lib/tierd` for root, `$XDG_STATE_HOME/tierd` or `~/.local/state/tierd` for others; nil where neither is set.
  public static func stateDirectory(uid: UInt32, environment: [String: String]) -> String? {
    if uid == 0 { return "/var/lib/tierd" }
    return base(environment["XDG_STATE_HOME"]).map { $0 + "/tierd" }
      ?? base(environment["HOME"]).map { $0 + "/.local/state/tierd" }
  }

  /// The XDG rule: a path that is not absolute is as good as none.
  private static func base(_ path: String?) -> String? {
    path.flatMap { $0.hasPrefix("/") ? $0 : nil }
  }
}
