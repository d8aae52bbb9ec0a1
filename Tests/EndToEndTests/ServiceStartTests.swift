import ControlAPI
import Foundation
import Testing

/// What may be wrong with the places of a service when it starts, without being anybody's mistake.
@Suite(.serialized) struct ServiceStartTests {
  let home: Workspace

  init() throws { home = try Workspace() }

  private static let needsMounts = Comment("only who may mount file systems can make such a disk")

  @Test(
    "A state directory that is read-only or full: memory serves, the log says why, and it is one daemon's all the same",
    .enabled(if: MountedDisk.isPermitted, needsMounts), arguments: [true, false])
  func unwritableState(isReadOnly: Bool) throws {
    let state = try home.makeDirectory("daemon/state")
    // One inode is the directory's own: not even an empty file can be made.
    let disk = try #require(MountedDisk(at: state, bytes: 1 << 20, inodes: isReadOnly ? nil : 1, readOnly: isReadOnly))
    let daemon = try Daemon("daemon", .init(disk: "64MiB"), in: home)
    let why = isReadOnly ? "Read-only file system" : "No space left on device"
    #expect(daemon.process.error.contains("cannot write to \(state): \(why)"), "\(daemon.process.error)")
    #expect(try daemon.status().spill?.health.hasPrefix("missing: ") == true)
    expectRefusal(
      try Daemon.start("other", ["--state-dir", state], in: home).wait(seconds: 10), 75, naming: "another tierd", state)
    #expect(try daemon.stop().ending == .exited(0))
    withExtendedLifetime(disk) {}
  }

  @Test("Few files may be open: it says so, and which setting it is") func fewDescriptors() throws {
    let place = try home.makeDirectory("daemon")
    let daemon = try ChildProcess(
      "/bin/sh",
      [
        "-c", "ulimit -n 200; exec \"$@\"", "sh", try Programs.path(of: "tierd"), "--runtime-dir", place + "/run",
        "--state-dir", place + "/state", "--host-budget", "16MiB", "--disk-budget", "64MiB",
      ], in: home)
    #expect(eventually(seconds: 10) { access(place + "/run/control.sock", F_OK) == 0 }, "\(daemon.error)")
    #expect(daemon.error.contains("set LimitNOFILE= (ulimit -n) to 4096 or more limit=200"), "\(daemon.error)")
    daemon.send(SIGTERM)
    #expect(try daemon.wait(seconds: 10).ending == .exited(0))
  }

  @Test("No permission to lock memory: it spills all the same") func noLockedMemory() throws {
    let place = try home.makeDirectory("daemon/run")
    let daemon = try ChildProcess(
      "/bin/sh",
      [
        "-c", "ulimit -l 0; exec setpriv --bounding-set=-ipc_lock --inh-caps=-ipc_lock \"$@\"", "sh",
        try Programs.path(of: "tierd"), "--runtime-dir", place, "--state-dir", home.path + "/daemon/state",
        "--device", "emulated", "--device-budget", "4MiB", "--host-budget", "4MiB", "--disk-budget", "64MiB",
      ], in: home)
    #expect(eventually(seconds: 10) { access(place + "/control.sock", F_OK) == 0 }, "\(daemon.error)")
    let run = try ReferenceRun.shared.get()
    #expect(try Evaluation(run.start(.socket(place + "/worker.sock"), in: home)).isIdentical(to: run.result))
    daemon.send(SIGTERM)
    #expect(try daemon.wait(seconds: 15).ending == .exited(0))
    #expect(!daemon.error.contains("degraded"), "\(daemon.error)")
  }
}
