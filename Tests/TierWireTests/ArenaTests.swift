import CLinux
import Glibc
import Testing
import TierCore

@testable import TierWire

extension SocketTests {
  @Suite struct ArenaTests {
    let directory = SocketDirectory()
    static let slotBytes = 4096
    static let slots = 4

    /// The owner's side of an arena: a memfd and its writable map.
    struct Owned {
      let descriptor: Int32
      let readOnly: Int32
      let map: UnsafeMutableRawPointer

      init(bytes: Int) {
        descriptor = tierd_memfd_create("test", UInt64(bytes))
        readOnly = tierd_memfd_reopen_readonly(descriptor)
        map = mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
      }

      func close() {
        Glibc.close(descriptor)
        Glibc.close(readOnly)
      }
    }

    private static func announcement(
      _ descriptor: Int32, _ role: ArenaAnnouncement.Role, id: UInt32 = 1, slotBytes: Int = slotBytes
    ) -> ArenaAnnouncement {
      ArenaAnnouncement(
        arena: ArenaID(id), tier: .host, role: role, slotBytes: slotBytes, slotCount: slots, descriptor: descriptor)
    }

    /// A client that was handed `arenas`, all of them.
    private func client(_ arenas: [ArenaAnnouncement], _ body: (WorkerClient) throws -> Void) throws {
      let host = TrivialHost(onConnect: { $0.announce(arenas) })
      let server = try WorkerServer(path: directory.socket, host: host)
      defer { server.stop() }
      try body(try WorkerClient.connect(path: directory.socket, name: "test"))
    }

    @Test func aWorkerReadsDataWritesStagingAndSeesGenerations() throws {
      let (data, staging) = (Owned(bytes: 4 * 4096), Owned(bytes: 4 * 4096))
      let generations = Owned(bytes: 4096)
      defer { for arena in [data, staging, generations] { arena.close() } }
      let arenas = [
        Self.announcement(data.readOnly, .data), Self.announcement(staging.descriptor, .staging, id: 2),
        Self.announcement(generations.readOnly, .generations, slotBytes: 8),
      ]
      try client(arenas) { client in
        try client.send(.close(SequenceID(1)))
        #expect(try client.receive(timeoutMs: 5000) == .closed(SequenceID(1)))
        data.map.storeBytes(of: 0xAB, toByteOffset: 2 * 4096, as: UInt8.self)
        let slot = SlotRef(arena: ArenaID(1), index: 2)
        let bytes = try client.bytes(of: slot)
        #expect(bytes.count == 4096 && bytes[0] == 0xAB)
        let written = try client.stagingBytes(arena: ArenaID(2), slot: 3)
        written[4095] = 0xCD
        #expect(staging.map.load(fromByteOffset: 4 * 4096 - 1, as: UInt8.self) == 0xCD)
        #expect(client.isCurrent(slot, generation: 0))
        generations.map.storeBytes(of: 7, toByteOffset: 2 * 8, as: UInt64.self)
        #expect(!client.isCurrent(slot, generation: 0) && client.isCurrent(slot, generation: 7))
      }
    }

    @Test func slotsThatWereNotHandedOverAreBad() throws {
      let data = Owned(bytes: 4 * 4096)
      defer { data.close() }
      try client([Self.announcement(data.readOnly, .data)]) { client in
        _ = try client.receive(timeoutMs: 50)
        for slot in [SlotRef(arena: ArenaID(1), index: 4), SlotRef(arena: ArenaID(9), index: 0)] {
          #expect(throws: ResidencyError.self) { try client.bytes(of: slot) }
          #expect(!client.isCurrent(slot, generation: 0))
        }
        #expect(throws: ResidencyError.self) { try client.stagingBytes(arena: ArenaID(1), slot: 0) }
      }
    }

    @Test func dataCannotBeMadeWritable() throws {
      let data = Owned(bytes: 4 * 4096)
      defer { data.close() }
      try client([Self.announcement(data.readOnly, .data)]) { client in
        _ = try client.receive(timeoutMs: 50)
        let bytes = try client.bytes(of: SlotRef(arena: ArenaID(1), index: 0))
        let base = UnsafeMutableRawPointer(mutating: bytes.baseAddress)
        #expect(mprotect(base, 4096, PROT_READ | PROT_WRITE) == -1 && errno == EACCES)
      }
    }

    @Test func moreArenasThanOneMessageCarriesCome() throws {
      let data = Owned(bytes: 4 * 4096)
      defer { data.close() }
      let arenas = (1...40).map { Self.announcement(data.readOnly, .data, id: $0) }
      try client(arenas) { client in
        try client.send(.close(SequenceID(1)))
        #expect(try client.receive(timeoutMs: 5000) == .closed(SequenceID(1)))
        for id: UInt32 in 1...40 { _ = try client.bytes(of: SlotRef(arena: ArenaID(id), index: 3)) }
      }
    }

    /// What a client must not map, and the words it refuses it with.
    enum Unfit: CaseIterable {
      case unsealed, tooSmall, noFile, twice

      var words: String {
        switch self {
        case .unsealed: "not sealed against shrinking"
        case .tooSmall: "4096 bytes, 16384 were announced"
        case .noFile: "no memory file"
        case .twice: "announced arena 1 twice"
        }
      }
    }

    @Test(arguments: Unfit.allCases) func whatIsUnfitIsNotMapped(unfit: Unfit) throws {
      let before = openDescriptors()
      let fit = Owned(bytes: 4 * 4096)
      let small = Owned(bytes: 4096)
      var template = Array("/tmp/tier-wire-file-XXXXXX".utf8CString)
      let file = mkstemp(&template)
      unlink(template)
      #expect(ftruncate(file, 4 * 4096) == 0)
      let null = open("/dev/null", O_RDONLY | O_CLOEXEC)
      let arenas =
        switch unfit {
        case .unsealed: [Self.announcement(file, .data)]
        case .tooSmall: [Self.announcement(small.readOnly, .data)]
        case .noFile: [Self.announcement(null, .data)]
        case .twice: [Self.announcement(fit.readOnly, .data), Self.announcement(fit.readOnly, .data)]
        }
      try client(arenas) { client in
        let error = #expect(throws: ResidencyError.self) { try client.receive(timeoutMs: 5000) }
        #expect(error?.message.contains(unfit.words) == true)
        #expect(throws: ResidencyError.self) { try client.send(.close(SequenceID(1))) }
      }
      fit.close()
      small.close()
      close(file)
      close(null)
      #expect(eventually { openDescriptors() == before })
    }

    @Test func anArenaCannotChangeItsSize() {
      let arena = Owned(bytes: 4096)
      defer { arena.close() }
      #expect(ftruncate(arena.descriptor, 0) == -1 && ftruncate(arena.descriptor, 8192) == -1)
      var status = stat()
      #expect(fstat(arena.descriptor, &status) == 0 && status.st_mode & 0o777 == 0o600)
      #expect(fcntl(arena.readOnly, F_GETFL) & O_ACCMODE == O_RDONLY)
    }
  }
}
