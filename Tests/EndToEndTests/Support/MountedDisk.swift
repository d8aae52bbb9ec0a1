import Glibc

/// A small file system in memory at a path, for disks that are full or read-only. It goes with the last reference.
final class MountedDisk {
  let path: String

  /// Whether this process may mount: root outside a container may.
  static let isPermitted = MountedDisk.probe()

  /// - Parameter inodes: files and directories it can have, its own included; nil for as many as anybody wants.
  init?(at path: String, bytes: Int, inodes: Int? = nil, readOnly: Bool = false) {
    self.path = path
    guard Self.mount(path, bytes: bytes, inodes: inodes, readOnly: readOnly, remounting: false) else { return nil }
  }

  deinit { _ = Self.run(["umount", "-l", path]) }

  /// Other options for what is mounted.
  func remount(bytes: Int, readOnly: Bool = false) -> Bool {
    Self.mount(path, bytes: bytes, inodes: nil, readOnly: readOnly, remounting: true)
  }

  private static func mount(_ path: String, bytes: Int, inodes: Int?, readOnly: Bool, remounting: Bool) -> Bool {
    let limit = inodes.map { ",nr_inodes=\($0)" } ?? ""
    let options = "size=\(bytes)\(limit),mode=0700,\(readOnly ? "ro" : "rw")\(remounting ? ",remount" : "")"
    return run(["mount", "-t", "tmpfs", "-o", options, "tierd-test", path])
  }

  private static func probe() -> Bool {
    guard geteuid() == 0, let home = try? Workspace() else { return false }
    return (try? home.makeDirectory("mount")).flatMap { MountedDisk(at: $0, bytes: 1 << 20) } != nil
  }

  private static func run(_ words: [String]) -> Bool {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0)
    var arguments = words.map { strdup($0) } + [nil]
    defer { for argument in arguments { free(argument) } }
    var pid = pid_t()
    guard posix_spawnp(&pid, words[0], &actions, nil, &arguments, environ) == 0 else { return false }
    var status: Int32 = 0
    while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
    return status == 0
  }
}
