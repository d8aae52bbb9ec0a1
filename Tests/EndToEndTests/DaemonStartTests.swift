import CLinux
import ControlAPI
import Foundation
import Testing

/// What may keep `tierd` from starting: one line, the code, and nothing of anybody else's touched.
@Suite(.serialized) struct DaemonStartTests {
  let home: Workspace

  init() throws { home = try Workspace() }

  private func start(_ name: String, _ flags: [String] = []) throws -> ChildProcess.Outcome {
    try Daemon.start(name, flags, in: home).wait(seconds: 10)
  }

  @Test func configuration() throws {
    let file = try home.write("bad.yaml", Data("host_budget: 1GiB\nhost_bugdet: 1GiB\n".utf8))
    expectRefusal(try start("a", ["--config", file]), 78, naming: file, "line 2", "host_bugdet", "host_budget")
    let sizes = try home.write("sizes.yaml", Data("disk_budget: plenty\n".utf8))
    expectRefusal(try start("a", ["--config", sizes]), 78, naming: sizes, "line 1", "plenty")
    expectRefusal(try start("a", ["--config", home.path + "/none.yaml"]), 78, naming: "none.yaml")
    for size in ["lots", "-1GiB", "1XiB", "99999999999999999999", "1"] {
      expectRefusal(try start("a", ["--host-budget=\(size)"]), 78, naming: "--host-budget")
    }
    let environment = try ChildProcess(
      Programs.path(of: "tierd"), ["--runtime-dir", home.path + "/r", "--state-dir", home.path + "/s"], in: home,
      environment: ["TIERD_DEVICE_BUDGET": "much", "TIERD_DEVICE": "emulated"])
    expectRefusal(try environment.wait(seconds: 10), 78, naming: "TIERD_DEVICE_BUDGET", "much")
    expectRefusal(try start("a", ["--device", "cuda:x"]), 78, naming: "--device")
    expectRefusal(try start("a", ["--runtime-dir", "relative"]), 78, naming: "--runtime-dir", "relative")
  }

  @Test("Places that another daemon has") func takenPlaces() throws {
    let running = try Daemon("daemon", in: home)
    expectRefusal(try start("daemon"), 75, naming: "another tierd", home.path + "/daemon/run")
    let state = ["--state-dir", home.path + "/daemon/state"]
    expectRefusal(try start("other", state), 75, naming: "another tierd", home.path + "/daemon/state")
    let runtime = ["--runtime-dir", home.path + "/daemon/run"]
    expectRefusal(try start("other", runtime), 75, naming: "another tierd", home.path + "/daemon/run")
    let embedded = try Worker.eval(
      Sources.tinyModel, tokens: Tokens.tiny(16, in: home),
      .embedded(["--disk-budget", "64MiB", "--state-dir", home.path + "/daemon/state"]), in: home)
    expectRefusal(try embedded.wait(seconds: 10), 75, naming: home.path + "/daemon/state")
    #expect(try running.status().sessions == 0)
  }

  @Test func socketPathTooLong() throws {
    let long = home.path + "/" + String(repeating: "long", count: 30)
    expectRefusal(try start("a", ["--runtime-dir", long]), 78, naming: "--runtime-dir", "107")
  }

  @Test("What lies at a socket's path and is no socket stays there", arguments: ["worker.sock", "control.sock"])
  func foreignFiles(name: String) throws {
    let path = try home.makeDirectory("daemon/run") + "/" + name
    try home.write("daemon/run/" + name, Data("mine".utf8))
    expectRefusal(try start("daemon"), 78, naming: path)
    #expect(FileManager.default.contents(atPath: path) == Data("mine".utf8))
    let others = try FileManager.default.contentsOfDirectory(atPath: home.path + "/daemon/run")
    #expect(others.filter { $0.hasSuffix(".sock") } == [name])
  }

  @Test(
    "A socket of another user stays there", .enabled(if: geteuid() == 0, "only root can make one"),
    arguments: ["worker.sock", "control.sock"])
  func foreignSockets(name: String) throws {
    let path = try home.makeDirectory("daemon/run") + "/" + name
    let socket = tierd_socket()
    try #require(tierd_bind(socket, path, 0o600) == 0 && chown(path, 1, 1) == 0)
    close(socket)
    expectRefusal(try start("daemon"), 78, naming: path, "1")
    #expect(access(path, F_OK) == 0)
  }

  @Test("A socket somebody answers at is not taken from them") func liveSocket() throws {
    let path = try home.makeDirectory("daemon/run") + "/worker.sock"
    let socket = tierd_socket()
    defer { close(socket) }
    try #require(tierd_bind(socket, path, 0o600) == 0 && listen(socket, 4) == 0)
    expectRefusal(try start("daemon"), 75, naming: path)
    #expect(access(path, F_OK) == 0)
  }

  @Test("The socket a killed daemon left is replaced") func staleSocket() throws {
    let killed = try Daemon("daemon", in: home)
    killed.process.send(SIGKILL)
    try killed.process.wait(seconds: 5)
    #expect(access(killed.workerSocket, F_OK) == 0)
    let next = try Daemon("daemon", in: home)
    #expect(try next.stop().ending == .exited(0))
  }

  @Test("Directories others may write to, or that cannot be made") func unsafePlaces() throws {
    let path = try home.makeDirectory("open")
    chmod(path, 0o777)
    expectRefusal(try start("a", ["--runtime-dir", path]), 78, naming: path, "chmod")
    let file = try home.write("file", Data())
    expectRefusal(try start("a", ["--state-dir", file + "/state"]), 74, naming: file)
  }
}
