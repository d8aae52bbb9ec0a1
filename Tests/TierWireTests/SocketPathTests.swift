import CLinux
import Glibc
import Testing
import TierCore

@testable import TierWire

extension SocketTests {
  @Suite struct SocketPathTests {
    let directory = SocketDirectory()

    private func listen() throws -> WorkerServer { try WorkerServer(path: directory.socket, host: TrivialHost()) }

    @Test func theSocketIsForUserAndGroupWhateverTheUmask() throws {
      let mask = umask(0o077)
      defer { umask(mask) }
      let server = try listen()
      defer { server.stop() }
      var status = stat()
      #expect(lstat(directory.socket, &status) == 0 && status.st_mode & 0o7777 == 0o660)
    }

    @Test func aPathTooLongIsRefused() throws {
      let path = directory.path + "/" + String(repeating: "x", count: 107)
      #expect(throws: WorkerServerError.pathTooLong(path, limit: 107)) {
        try WorkerServer(path: path, host: TrivialHost())
      }
      #expect(throws: ResidencyError.self) { try WorkerClient.connect(path: path, name: "test") }
    }

    @Test func theLongestPathWorks() throws {
      let path = directory.path + "/" + String(repeating: "x", count: 106 - directory.path.utf8.count)
      let server = try WorkerServer(path: path, host: TrivialHost())
      defer { server.stop() }
      _ = try WorkerClient.connect(path: path, name: "test")
    }

    @Test func aPathALiveServerHasIsTaken() throws {
      let server = try listen()
      defer { server.stop() }
      #expect(throws: WorkerServerError.taken(directory.socket)) { try listen() }
      _ = try WorkerClient.connect(path: directory.socket, name: "still served")
    }

    @Test func aStaleSocketIsReplaced() throws {
      let dead = tierd_socket()
      #expect(tierd_bind(dead, directory.socket, 0o600) == 0)
      close(dead)
      let server = try listen()
      defer { server.stop() }
      _ = try WorkerClient.connect(path: directory.socket, name: "test")
    }

    @Test func whatIsNoSocketIsLeftAlone() throws {
      close(open(directory.socket, O_CREAT | O_WRONLY, 0o600))
      #expect(throws: WorkerServerError.notASocket(directory.socket)) { try listen() }
      #expect(access(directory.socket, F_OK) == 0)
    }

    @Test(.enabled(if: geteuid() == 0)) func aSocketOfAnotherUserIsLeftAlone() throws {
      let dead = tierd_socket()
      #expect(tierd_bind(dead, directory.socket, 0o600) == 0)
      close(dead)
      #expect(chown(directory.socket, 1234, 1234) == 0)
      #expect(throws: WorkerServerError.ownedByAnother(directory.socket, uid: 1234)) { try listen() }
      #expect(access(directory.socket, F_OK) == 0)
    }

    @Test func aMissingDirectoryIsNamed() {
      #expect(throws: WorkerServerError.self) {
        try WorkerServer(path: "/nonexistent/worker.sock", host: TrivialHost())
      }
    }

    @Test func aStoppedServerLeavesTheSocketOfItsSuccessor() throws {
      let first = try listen()
      unlink(directory.socket)
      let second = try listen()
      defer { second.stop() }
      first.stop()
      _ = try WorkerClient.connect(path: directory.socket, name: "test")
    }

    @Test func anInheritedSocketIsServedAndItsPathLeft() throws {
      let descriptor = tierd_socket()
      #expect(tierd_bind(descriptor, directory.socket, 0o600) == 0 && Glibc.listen(descriptor, 1) == 0)
      let server = try WorkerServer(listening: descriptor, host: TrivialHost())
      _ = try WorkerClient.connect(path: directory.socket, name: "test")
      server.stop()
      #expect(access(directory.socket, F_OK) == 0)
    }

    @Test func whatDoesNotListenIsNotServed() {
      #expect(throws: WorkerServerError.notListening(descriptor: 0)) {
        try WorkerServer(listening: 0, host: TrivialHost())
      }
    }

    @Test func onlyRootOneselfAndTheNamedAreTrusted() throws {
      #expect(WorkerClient.isTrusted(server: 0, by: 1000, []) && WorkerClient.isTrusted(server: 1000, by: 1000, []))
      #expect(!WorkerClient.isTrusted(server: 1001, by: 1000, []) && !WorkerClient.isTrusted(server: 1000, by: 0, []))
      #expect(WorkerClient.isTrusted(server: 1001, by: 1000, [1001]))
    }

    @Test func theServersCredentialsAreTheKernels() throws {
      let server = try listen()
      defer { server.stop() }
      let socket = FrameSocket(owning: tierd_socket())
      #expect(tierd_connect(socket.descriptor, directory.socket) == 0)
      #expect(try WorkerClient.verify(socket, path: directory.socket, servers: []) == getpid())
    }
  }
}
