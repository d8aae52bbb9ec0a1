import Glibc
import Testing
import TierMemory

@Suite struct MemoryFileTests {
  static let pageBytes = 4096

  @Test func nobodyElseMayOpenItAndNobodyResizesIt() throws {
    let file = try MemoryFile(name: "test", sizeBytes: 4 * Self.pageBytes)
    var status = stat()
    #expect(fstat(file.descriptor, &status) == 0)
    #expect(status.st_mode & 0o777 == 0o600)
    #expect(status.st_size == 4 * Self.pageBytes)
    #expect(ftruncate(file.descriptor, 0) == -1 && errno == EPERM)
    #expect(ftruncate(file.descriptor, off_t(8 * Self.pageBytes)) == -1 && errno == EPERM)
  }

  @Test func aReaderSeesWhatIsWrittenAndCannotWrite() throws {
    let file = try MemoryFile(name: "test", sizeBytes: Self.pageBytes)
    let descriptor = try file.readOnlyDescriptor()
    defer { close(descriptor) }
    let writable = mmap(nil, Self.pageBytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
    #expect(writable == MAP_FAILED && errno == EACCES)
    let map = try #require(mmap(nil, Self.pageBytes, PROT_READ, MAP_SHARED, descriptor, 0))
    try #require(map != MAP_FAILED)
    defer { munmap(map, Self.pageBytes) }
    #expect(mprotect(map, Self.pageBytes, PROT_READ | PROT_WRITE) == -1)
    file.base.storeBytes(of: 0x5EED, toByteOffset: 64, as: UInt64.self)
    #expect(map.load(fromByteOffset: 64, as: UInt64.self) == 0x5EED)
  }

  @Test func pagesTakeMemoryOnceTouchedAndGiveItBack() throws {
    let file = try MemoryFile(name: "test", sizeBytes: 64 * Self.pageBytes)
    func heldBytes() -> Int {
      var status = stat()
      return fstat(file.descriptor, &status) == 0 ? Int(status.st_blocks) * 512 : -1
    }
    #expect(heldBytes() == 0)
    memset(file.base, 7, 64 * Self.pageBytes)
    #expect(heldBytes() == 64 * Self.pageBytes)
    try file.decommit(offset: 16 * Self.pageBytes, count: 32 * Self.pageBytes)
    #expect(heldBytes() == 32 * Self.pageBytes)
    #expect(file.base.load(fromByteOffset: 16 * Self.pageBytes, as: UInt8.self) == 0)
    #expect(file.base.load(fromByteOffset: 15 * Self.pageBytes, as: UInt8.self) == 7)
  }

  @Test func absurdSizesAreAnErrorAndNotACrash() {
    #expect(throws: MemoryError.self) { try MemoryFile(name: "test", sizeBytes: Int.max - Self.pageBytes) }
  }
}
