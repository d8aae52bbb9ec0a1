import CLinux
import Glibc
import Testing
import TierTesting

@testable import ServiceManager

@Suite(.serialized) struct DescriptorTests {
  private func connected(_ manager: FakeManager) throws -> ServiceManager {
    try ServiceManager(environment: ["NOTIFY_SOCKET": manager.address])
  }

  /// A memory file as arenas have them; the caller's to close.
  private func memoryFile(_ bytes: Int) throws -> Int32 {
    let descriptor = tierd_memfd_create("test", UInt64(bytes))
    try #require(descriptor >= 0)
    return descriptor
  }

  private func inode(_ descriptor: Int32) -> UInt64 {
    var status = stat()
    return fstat(descriptor, &status) == 0 ? UInt64(status.st_ino) : 0
  }

  // MARK: Storing

  @Test("What is stored is a duplicate under its name") func stored() throws {
    let manager = try FakeManager()
    let file = try memoryFile(8192)
    defer { close(file) }
    try connected(manager).storeDescriptor(file, name: "host-0.data")
    let message = try #require(manager.next())
    defer { for descriptor in message.descriptors { close(descriptor) } }
    #expect(message.lines == ["FDSTORE=1", "FDNAME=host-0.data", "FDPOLL=0"])
    #expect(message.descriptors.count == 1 && message.descriptors.map(inode) == [inode(file)])
  }

  @Test("What is removed is named") func removed() throws {
    let manager = try FakeManager()
    try connected(manager).removeDescriptors(name: "host-0.data")
    let message = try #require(manager.next())
    #expect(message.lines == ["FDSTOREREMOVE=1", "FDNAME=host-0.data"])
    #expect(message.descriptors.isEmpty)
  }

  @Test(
    "A name that could be read as something else is refused",
    arguments: [
      "", "a:b", "a\nREADY=1", "ä", "a\u{7F}", String(repeating: "x", count: 256),
    ])
  func names(_ name: String) throws {
    let manager = try FakeManager()
    let service = try connected(manager)
    #expect(throws: ServiceManagerError.unusableName(name)) { try service.storeDescriptor(0, name: name) }
    #expect(throws: ServiceManagerError.unusableName(name)) { try service.removeDescriptors(name: name) }
    #expect(manager.next() == nil)
  }

  @Test("The longest name is taken") func longestName() throws {
    let manager = try FakeManager()
    try connected(manager).removeDescriptors(name: String(repeating: "x", count: 255))
    #expect(manager.next() != nil)
  }

  @Test("A descriptor that is closed cannot be stored") func closedDescriptor() throws {
    let manager = try FakeManager()
    let service = try connected(manager)
    let error = #expect(throws: ServiceManagerError.self) { try service.storeDescriptor(900, name: "host-0") }
    #expect(error == .cannotSend(what: "to keep host-0", errno: EBADF))
  }

  @Test("Synchronizing waits until the manager has let go of its end") func synchronize() throws {
    let manager = try FakeManager()
    let service = try connected(manager)
    #expect(throws: ServiceManagerError.unanswered(what: "in time", afterMs: 20)) {
      try service.synchronize(timeoutMs: 20)
    }
    let first = try #require(manager.next())
    #expect(first.lines == ["BARRIER=1"])
    for descriptor in first.descriptors { close(descriptor) }
    var reader = pthread_t()
    let argument = Unmanaged.passRetained(manager).toOpaque()
    pthread_create(
      &reader, nil,
      { argument in
        let manager = Unmanaged<FakeManager>.fromOpaque(argument!).takeRetainedValue()
        for _ in 0..<2000 {
          if let message = manager.next() {
            for descriptor in message.descriptors { close(descriptor) }
            break
          }
          usleep(1000)
        }
        return nil
      }, argument)
    #expect(throws: Never.self) { try service.synchronize(timeoutMs: 5000) }
    pthread_join(reader, nil)
  }

  // MARK: Taking back

  /// Duplicates at consecutive numbers far from those in use, as a manager passes them: without close-on-exec.
  private func passed(
    _ descriptors: [Int32], names: String?, count: String? = nil, pid: Int32 = getpid(),
    _ body: (ServiceManager) throws -> Void
  ) throws {
    let first: Int32 = 700
    for (index, descriptor) in descriptors.enumerated() {
      try #require(dup2(descriptor, first + Int32(index)) >= 0)
    }
    defer { for index in descriptors.indices { close(first + Int32(index)) } }
    var environment = ["LISTEN_PID": "\(pid)", "LISTEN_FDS": count ?? "\(descriptors.count)"]
    environment["LISTEN_FDNAMES"] = names
    try body(ServiceManager(environment: environment, pid: getpid(), firstDescriptor: first))
  }

  @Test("Sockets and memory files are told apart, in their order, and do not leak into children") func kinds() throws {
    let socket = tierd_socket()
    let file = try memoryFile(12288)
    var pipes: (Int32, Int32) = (-1, -1)
    try withUnsafeMutableBytes(of: &pipes) {
      try #require(pipe($0.baseAddress!.assumingMemoryBound(to: Int32.self)) == 0)
    }
    let path = "/tmp/tierd-passed-\(getpid()).sock"
    try #require(tierd_bind(socket, path, 0o600) == 0 && listen(socket, 1) == 0)
    defer {
      for descriptor in [socket, file, pipes.0, pipes.1] { close(descriptor) }
      unlink(path)
    }
    try passed([socket, file, pipes.0], names: "worker:host-0:odd one") { service in
      let found = try service.takeDescriptors()
      #expect(found.map(\.name) == ["worker", "host-0", "odd one"])
      #expect(found.map(\.descriptor) == [700, 701, 702])
      #expect(
        found.map(\.kind) == [
          .listeningSequentialPacket(path: path), .memoryFile(sizeBytes: 12288), .other("a pipe"),
        ])
      #expect(found.allSatisfy { fcntl($0.descriptor, F_GETFD) == FD_CLOEXEC })
      #expect(try service.takeDescriptors().isEmpty, "they are handed over once")
    }
  }

  @Test("A socket that does not listen, or of another type, and a file that can shrink are neither") func others()
    throws
  {
    let idle = tierd_socket()
    let stream = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    let path = "/tmp/tierd-passed-\(getpid()).file"
    let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    defer {
      for descriptor in [idle, stream, file] { close(descriptor) }
      unlink(path)
    }
    try passed([idle, stream, file], names: nil) { service in
      let found = try service.takeDescriptors()
      #expect(found.map(\.name) == ["unknown", "unknown", "unknown"])
      let socket = PassedDescriptor.Kind.other("a socket that is not SOCK_SEQPACKET or does not listen")
      #expect(found.map(\.kind) == [socket, socket, .other("a file whose size is not sealed")])
    }
  }

  @Test("What is for another process is left alone") func otherProcess() throws {
    let file = try memoryFile(4096)
    defer { close(file) }
    try passed([file], names: "host-0", pid: getpid() + 1) { service throws in
      #expect(try service.takeDescriptors().isEmpty)
    }
    let service = try ServiceManager(environment: ["LISTEN_FDS": "1"])
    #expect(try service.takeDescriptors().isEmpty, "without LISTEN_PID it is for nobody")
  }

  @Test(
    "A number that is none, or too large, is named", arguments: ["", "x", "-1", "1 ", "4097", "18446744073709551617"])
  func counts(_ count: String) {
    #expect(throws: ServiceManagerError.variable("LISTEN_FDS", value: count)) {
      try passed([], names: nil, count: count) { _ in }
    }
  }

  @Test("Names that do not fit the number are named", arguments: ["a", "a:b:c", "a:\u{1}"])
  func namesDoNotFit(_ names: String) {
    #expect(throws: ServiceManagerError.variable("LISTEN_FDNAMES", value: names)) {
      try passed([], names: names, count: "2") { _ in }
    }
  }

  @Test("A descriptor that was announced and is not there is named") func missing() throws {
    let file = try memoryFile(4096)
    defer { close(file) }
    try passed([file], names: "a:b", count: "2") { service in
      #expect(throws: ServiceManagerError.missingDescriptor(701, errno: EBADF)) { try service.takeDescriptors() }
    }
  }
}
