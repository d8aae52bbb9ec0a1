import Glibc
import Testing
import TierMemory

@Suite struct MemoryArenaTests {
  @Test func slotsLieApartAndTheTableIsTheWorkersToRead() throws {
    let arena = try MemoryArena(name: "test", slotBytes: 8192, slotCount: 5)
    for index in UInt32(0)..<5 {
      memset(arena.slot(index).baseAddress!, Int32(index) + 1, arena.slot(index).count)
      arena.setGeneration(index, UInt64(index) * 10 + 1)
    }
    for index in UInt32(0)..<5 {
      let bytes = arena.slot(index)
      #expect(bytes.allSatisfy { $0 == UInt8(index) + 1 })
      #expect(arena.generation(index) == UInt64(index) * 10 + 1)
    }
    let map = try #require(mmap(nil, 40, PROT_READ, MAP_SHARED, arena.generationsDescriptor, 0))
    try #require(map != MAP_FAILED)
    defer { munmap(map, 40) }
    #expect(map.load(fromByteOffset: 24, as: UInt64.self) == 31)
    #expect(mmap(nil, 40, PROT_WRITE, MAP_SHARED, arena.generationsDescriptor, 0) == MAP_FAILED)
    #expect(mmap(nil, 8192, PROT_WRITE, MAP_SHARED, arena.dataDescriptor, 0) == MAP_FAILED)
  }

  @Test func aSlotGivenBackReadsAsZeroAndItsNeighboursStay() throws {
    let arena = try MemoryArena(name: "test", slotBytes: 8192, slotCount: 3)
    for index in UInt32(0)..<3 { memset(arena.slot(index).baseAddress!, 9, 8192) }
    try arena.decommit(1)
    #expect(arena.slot(1).allSatisfy { $0 == 0 })
    #expect(arena.slot(0).allSatisfy { $0 == 9 } && arena.slot(2).allSatisfy { $0 == 9 })
  }

  @Test func itsDescriptorsGoWithIt() throws {
    func open() -> Int { (0..<1024).count { fcntl($0, F_GETFD) >= 0 } }
    let before = open()
    for _ in 0..<20 { _ = try MemoryArena(name: "test", slotBytes: 4096, slotCount: 1) }
    #expect(open() == before)
  }
}
