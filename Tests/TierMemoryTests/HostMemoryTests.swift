import CLinux
import Glibc
import Synchronization
import Testing

@testable import TierMemory

/// A device that keeps count of what it was told.
private final class Registrar: HostRegistrar {
  let extents = Mutex<[UInt: Int]>([:])
  let refuses: Bool

  init(refuses: Bool = false) { self.refuses = refuses }

  func register(_ base: UnsafeMutableRawPointer, bytes: Int) throws(HostRegistrarFault) {
    if refuses { throw HostRegistrarFault("out of memory") }
    let isNew = extents.withLock { $0.updateValue(bytes, forKey: UInt(bitPattern: base)) == nil }
    #expect(isNew)
  }

  func unregister(_ base: UnsafeMutableRawPointer, bytes: Int) {
    #expect(extents.withLock { $0.removeValue(forKey: UInt(bitPattern: base)) } == bytes)
  }
}

@Suite struct HostMemoryTests {
  private static let bytes = 24 << 20

  private final class Log: Sendable {
    let lines = Mutex<[String]>([])
    func note(_ line: String) { lines.withLock { $0.append(line) } }
  }

  private func system(_ registrar: Registrar? = nil, locks: Bool = false, huge: Bool = false, _ log: Log = Log())
    -> HostMemorySystem
  {
    var options = HostMemorySystem.Options()
    options.topology = .read()
    (options.registrar, options.locks, options.usesHugePages) = (registrar, locks, huge)
    return HostMemorySystem(options) { log.note($0) }
  }

  private func heldBytes(_ memory: HostMemory) -> Int {
    var status = stat()
    return fstat(memory.file.descriptor, &status) == 0 ? Int(status.st_blocks) * 512 : -1
  }

  @Test func pinnedIsAllOfItAndNotAPageMore() throws {
    let registrar = Registrar()
    let memory = try system(registrar).make(name: "test", sizeBytes: Self.bytes + 4096, node: 0, isLasting: false)
    #expect(heldBytes(memory) == 0)
    memory.wantPinned()
    memory.pin()
    #expect(heldBytes(memory) == Self.bytes + 4096 && memory.isPinned)
    #expect(registrar.extents.withLock { $0.values.reduce(0, +) } == Self.bytes + 4096)
    #expect(memory.use.registeredBytes == Self.bytes + 4096)
    memory.unpin()
    #expect(registrar.extents.withLock { $0.isEmpty } && memory.use.registeredBytes == 0)
    try memory.decommit(offset: 4096, count: Self.bytes)
    #expect(heldBytes(memory) == 4096)
  }

  @Test func extentsAreNoLargerThanWhatIsRegisteredAtOnce() throws {
    let registrar = Registrar()
    let memory = try system(registrar).make(
      name: "test", sizeBytes: HostMemory.extentBytes + 8192, node: nil, isLasting: false)
    memory.wantPinned()
    memory.pin()
    #expect(registrar.extents.withLock { $0.values.sorted() } == [8192, HostMemory.extentBytes])
  }

  @Test func whatIsNotWantedAnyMoreIsNotBroughtIn() throws {
    let memory = try system().make(name: "test", sizeBytes: Self.bytes, node: nil, isLasting: false)
    memory.wantPinned()
    memory.unpin()
    memory.pin()
    #expect(!memory.isPinned && heldBytes(memory) == 0)
  }

  @Test func lockedMemoryIsGivenBackToo() throws {
    let memory = try system(locks: true).make(name: "test", sizeBytes: 64 << 10, node: nil, isLasting: false)
    // Not where this may lock less: what cannot be locked is tried below.
    guard memory.use.isLocked else { return }
    memset(memory.file.base, 1, 64 << 10)
    try memory.decommit(offset: 0, count: 32 << 10)
    #expect(heldBytes(memory) == 32 << 10)
    #expect(memory.file.base.load(as: UInt8.self) == 0)
  }

  @Test func whatADeviceDoesNotTakeIsToldOnceAndUsedAllTheSame() throws {
    let log = Log()
    let system = system(Registrar(refuses: true), log)
    for _ in 0..<3 {
      let memory = try system.make(name: "test", sizeBytes: 1 << 20, node: nil, isLasting: false)
      memory.wantPinned()
      memory.pin()
      #expect(memory.isPinned && memory.use.registeredBytes == 0)
    }
    #expect(
      log.lines.withLock { $0 } == ["the device does not take host memory, and copies it more slowly: out of memory"])
  }

  @Test func memoryThatLastsIsHadWithHugePagesOrWithout() throws {
    let memory = try system(huge: true).make(name: "test", sizeBytes: 4 << 20, node: 0, isLasting: true)
    memory.wantPinned()
    memory.pin()
    #expect(memory.isPinned && memory.use.hugeBytes <= 4 << 20)
    #expect(memory.file.sizeBytes == 4 << 20)
    memset(memory.file.base, 3, 4 << 20)
    memory.unpin()
    try memory.decommit(offset: 0, count: 4 << 20)
    #expect(memory.file.base.load(as: UInt8.self) == 0)
  }

  @Test func stagingIsOneRangeWhateverItsShares() throws {
    let memory = try system().makeStaging(name: "test", sizeBytes: 32 << 10, shares: [(0, 4096), (0, 28 << 10)])
    memset(memory.file.base, 1, 32 << 10)
    #expect(memory.node == 0)
  }
}
