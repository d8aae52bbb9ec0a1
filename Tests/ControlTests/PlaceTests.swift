import Glibc
import Testing

@testable import ControlServer
@testable import tierd

@Suite struct SocketPathTests {
  @Test func aPathThatCannotBeASocketsIsRefused() {
    #expect(throws: SocketPath.Fault.self) { try SocketPath("relative.sock") }
    #expect(throws: SocketPath.Fault.self) { try SocketPath("") }
    #expect(throws: SocketPath.Fault.self) { try SocketPath("/" + String(repeating: "x", count: 107)) }
    #expect(throws: Never.self) { try SocketPath("/" + String(repeating: "x", count: 106)) }
  }

  @Test func aStaleSocketIsRemovedAndALiveOneIsNot() throws {
    let scratch = try ScratchDirectory()
    let socket = try SocketPath(scratch.path + "/s.sock")
    try socket.clearStale()
    var listener: RawListener? = try RawListener(socket.path)
    let fault = #expect(throws: SocketPath.Fault.self) { try socket.clearStale() }
    #expect(fault?.message.contains("is taken") == true)
    #expect(access(socket.path, F_OK) == 0)
    withExtendedLifetime(listener) {}
    listener = nil
    try socket.clearStale()
    #expect(access(socket.path, F_OK) != 0)
  }

  @Test func aLiveSocketOfAnotherTypeIsTaken() throws {
    let scratch = try ScratchDirectory()
    let socket = try SocketPath(scratch.path + "/s.sock")
    let listener = try RawListener(socket.path, type: SOCK_SEQPACKET)
    #expect(throws: SocketPath.Fault.self) { try socket.clearStale() }
    #expect(access(socket.path, F_OK) == 0)
    withExtendedLifetime(listener) {}
  }

  @Test func whatIsNoSocketIsLeftAlone() throws {
    let scratch = try ScratchDirectory()
    let socket = try SocketPath(scratch.path + "/s.sock")
    close(open(socket.path, O_CREAT | O_WRONLY, 0o600))
    #expect(throws: SocketPath.Fault.self) { try socket.clearStale() }
    #expect(access(socket.path, F_OK) == 0)
  }

  @Test(.enabled(if: geteuid() == 0)) func anotherUsersSocketIsLeftAlone() throws {
    let scratch = try ScratchDirectory()
    let socket = try SocketPath(scratch.path + "/s.sock")
    _ = try RawListener(socket.path)
    #expect(chown(socket.path, 12345, 12345) == 0)
    let fault = #expect(throws: SocketPath.Fault.self) { try socket.clearStale() }
    #expect(fault?.message.contains("belongs to user 12345") == true)
    #expect(access(socket.path, F_OK) == 0)
  }
}

@Suite struct PlaceTests {
  @Test func aPlaceIsOneDaemonsAndFreeAfterIt() throws {
    let scratch = try ScratchDirectory()
    var first: Place? = try Place(scratch.path, mode: 0o750)
    let fault = #expect(throws: PlaceFault.self) { try Place(scratch.path, mode: 0o750) }
    #expect(fault?.exitCode == 75)
    withExtendedLifetime(first) {}
    first = nil
    #expect(throws: Never.self) { try Place(scratch.path, mode: 0o750) }
  }

  @Test func aPlaceOthersMayWriteToIsRefused() throws {
    let scratch = try ScratchDirectory()
    #expect(chmod(scratch.path, 0o777) == 0)
    let fault = #expect(throws: PlaceFault.self) { try Place(scratch.path, mode: 0o750) }
    #expect(fault?.exitCode == 78)
  }

  @Test(.enabled(if: geteuid() == 0)) func anotherUsersPlaceIsRefused() throws {
    let scratch = try ScratchDirectory()
    #expect(chown(scratch.path, 12345, 12345) == 0)
    let fault = #expect(throws: PlaceFault.self) { try Place(scratch.path, mode: 0o750) }
    #expect(fault?.message.contains("belongs to user 12345") == true)
  }

  @Test func aFileIsNoPlace() throws {
    let scratch = try ScratchDirectory()
    close(open(scratch.path + "/f", O_CREAT | O_WRONLY, 0o600))
    #expect(throws: PlaceFault.self) { try Place(scratch.path + "/f", mode: 0o750) }
  }
}

@Suite struct AccessTests {
  @Test func onlyRootAndTheDaemonsUserMayChange() {
    let policy = AccessPolicy(daemonUID: 500)
    #expect(policy.mayChange(Peer(pid: 1, uid: 0, gid: 9)))
    #expect(policy.mayChange(Peer(pid: 1, uid: 500, gid: 9)))
    #expect(!policy.mayChange(Peer(pid: 1, uid: 501, gid: 500)))
  }

  @Test func oneUserCannotTakeEveryConnection() {
    let counts = ConnectionCounts()
    for _ in 0..<3 { #expect(counts.enter(7, limit: 3)) }
    #expect(!counts.enter(7, limit: 3))
    #expect(counts.enter(8, limit: 3))
    counts.leave(7)
    #expect(counts.enter(7, limit: 3))
  }
}
