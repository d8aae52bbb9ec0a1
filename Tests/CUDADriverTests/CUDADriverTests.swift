import CUDADriver
import Foundation
import Testing
import TierCore
import TierMemory

/// One after another: a driver's state is its process's.
@Suite(.serialized) struct CUDATests {
  @Suite struct LibraryTests {
    @Test func withoutADriverThereIsOneLineThatSaysSo() {
      #expect {
        _ = try CUDALibrary(path: "libno-such-driver.so.1")
      } throws: { error in
        guard case .unavailable(let text) = error as? DeviceError else { return false }
        return text.contains("libno-such-driver.so.1") && !text.contains("\n")
      }
    }

    @Test func aLibraryThatIsNoDriverIsToldByWhatItLacks() {
      #expect {
        _ = try CUDALibrary(path: "libc.so.6")
      } throws: { error in
        guard case .unavailable(let text) = error as? DeviceError else { return false }
        return text.contains("cuMemCreate") && text.contains("install")
      }
    }

    @Test func aDeviceThatIsNotThereIsNamedWithThoseThatAre() throws {
      let library = try FakeDriver.library.get()
      #expect(throws: DeviceError.self) { try CUDADevice(library, ordinal: 9) }
      do { _ = try CUDADevice(library, ordinal: 9) } catch {
        #expect(error.message.contains("cuda:9") && error.message.contains("cuda:0 to cuda:1"))
      }
    }

    @Test func aDeviceSaysWhatItIs() throws {
      let device = try FakeDriver.device(1)
      let reading = device.reading()
      #expect(reading.name == "Driver for tests 1")
      #expect(reading.pciAddress == "ffff:f1:1f.0")
      #expect(reading.numaNode == nil)
      #expect(reading.totalBytes == FakeDriver.memoryBytes)
      #expect(reading.freeBytes.map { $0 <= FakeDriver.memoryBytes } == true)
      #expect(try FakeDriver.device(0).uuid != device.uuid)
    }
  }

  @Suite struct MemoryTests {
    @Test func memoryIsZeroRoundedUpAndFreedWithItsLastReference() throws {
      let device = try FakeDriver.device()
      let before = FakeDriver.allocatedBytes
      var memory: (any DeviceMemory)? = try device.makeMemory(sizeBytes: 100_000)
      #expect(memory?.sizeBytes == 131_072)
      #expect(FakeDriver.allocatedBytes == before + 131_072)
      var bytes = [UInt8](repeating: 1, count: 131_072)
      try bytes.withUnsafeMutableBytes { try device.read(memory!.address, into: $0) }
      #expect(bytes.allSatisfy { $0 == 0 })
      memory = nil
      #expect(FakeDriver.allocatedBytes == before)
    }

    @Test func whatOthersHoldIsOutOfMemoryAndNoCrash() throws {
      let device = try FakeDriver.device()
      #expect(throws: DeviceError.outOfMemory(wantedBytes: 1 << 30)) { try device.makeMemory(sizeBytes: 1 << 30) }
    }

    @Test(arguments: [
      "cuMemAddressReserve", "cuMemMap", "cuMemSetAccess", "cuMemsetD8_v2", "cuMemExportToShareableHandle",
    ])
    func aCallThatFailsHalfWayLeavesNothingBehind(_ function: String) throws {
      let device = try FakeDriver.device()
      let before = FakeDriver.allocatedBytes
      FakeDriver.fail(function, failures: 1, code: 1)
      defer { FakeDriver.mend(function) }
      #expect(throws: DeviceError.self) { try device.makeMemory(sizeBytes: 1 << 16) }
      #expect(FakeDriver.allocatedBytes == before)
    }

    @Test func importedMemoryIsTheVeryMemory() throws {
      let device = try FakeDriver.device()
      let memory = try device.makeMemory(sizeBytes: 1 << 16)
      let imported = try CUDAImporter(driver: FakeDriver.path).importMemory(
        descriptor: memory.descriptor, device: device.uuid.bytes, allocationBytes: memory.sizeBytes)
      let queue = try device.makeQueue()
      var written = (0..<4096).map { UInt8(truncatingIfNeeded: $0 &* 7) }
      try written.withUnsafeMutableBytes { bytes in
        try queue.submit([DeviceCopy(.toDevice, host: bytes.baseAddress!, device: memory.address + 512, bytes: 4096)])
        try wait(queue, batches: 1)
      }
      var read = [UInt8](repeating: 0, count: 4096)
      try read.withUnsafeMutableBytes { try imported.read(offset: 512, into: $0) }
      #expect(read == written)
    }

    @Test func whatIsNoDeviceMemoryIsNotImported() throws {
      let device = try FakeDriver.device()
      let importer = CUDAImporter(driver: FakeDriver.path)
      let null = open("/dev/null", O_RDONLY)
      defer { close(null) }
      #expect(throws: ResidencyError.self) {
        try importer.importMemory(descriptor: null, device: device.uuid.bytes, allocationBytes: 1 << 16)
      }
      #expect(throws: ResidencyError.self) {
        try importer.importMemory(descriptor: null, device: [UInt8](repeating: 9, count: 16), allocationBytes: 1 << 16)
      }
      let memory = try device.makeMemory(sizeBytes: 1 << 16)
      #expect(throws: ResidencyError.self, "more than there is") {
        try importer.importMemory(
          descriptor: memory.descriptor, device: device.uuid.bytes, allocationBytes: 1 << 20)
      }
    }
  }

  @Suite struct QueueTests {
    @Test func batchesEndInOrderAndTheirBytesHaveArrived() throws {
      let device = try FakeDriver.device()
      let memory = try device.makeMemory(sizeBytes: 1 << 20)
      let (up, down) = (try device.makeQueue(), try device.makeQueue())
      var source = (0..<1 << 20).map { UInt8(truncatingIfNeeded: $0 / 1024 &+ $0) }
      var target = [UInt8](repeating: 0, count: 1 << 20)
      try source.withUnsafeMutableBytes { source in
        try target.withUnsafeMutableBytes { target in
          for batch in 0..<16 {
            try up.submit(
              (0..<4).map { part in
                let offset = (batch * 4 + part) << 14
                return DeviceCopy(
                  .toDevice, host: source.baseAddress! + offset, device: memory.address + UInt64(offset), bytes: 1 << 14
                )
              })
          }
          try wait(up, batches: 16)
          try down.submit([DeviceCopy(.toHost, host: target.baseAddress!, device: memory.address, bytes: 1 << 20)])
          try wait(down, batches: 1)
        }
      }
      #expect(source == target)
    }

    @Test func whatIsCopiedToNewMemoryIsNotClearedAfterwards() throws {
      let device = try FakeDriver.device()
      let queue = try device.makeQueue()
      var written = [UInt8](repeating: 7, count: 4096)
      for turn in 1...8 {
        let memory = try device.makeMemory(sizeBytes: 1 << 16)
        try written.withUnsafeMutableBytes { bytes in
          try queue.submit([DeviceCopy(.toDevice, host: bytes.baseAddress!, device: memory.address, bytes: 4096)])
          try wait(queue, batches: turn)
        }
        usleep(1000)
        var read = [UInt8](repeating: 0, count: 4096)
        try read.withUnsafeMutableBytes { try device.read(memory.address, into: $0) }
        #expect(read == written)
      }
    }

    @Test func aCopyOutsideWhatIsMappedLosesTheDevice() throws {
      let device = try FakeDriver.device()
      let memory = try device.makeMemory(sizeBytes: 1 << 16)
      let queue = try device.makeQueue()
      var bytes = [UInt8](repeating: 0, count: 1 << 17)
      defer { FakeDriver.mend("cuMemCreate") }
      bytes.withUnsafeMutableBytes { bytes in
        #expect {
          try queue.submit([DeviceCopy(.toDevice, host: bytes.baseAddress!, device: memory.address, bytes: 1 << 17)])
        } throws: { error in if case .lost = error as? DeviceError { true } else { false } }
        #expect(throws: DeviceError.self) { try device.makeMemory(sizeBytes: 1 << 16) }
      }
    }
  }

  @Test func registeredMemoryIsUnregisteredAgain() throws {
    let device = try FakeDriver.device()
    let base = mmap(nil, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)!
    defer { munmap(base, 1 << 20) }
    let before = FakeDriver.registeredBytes
    try device.register(base, bytes: 1 << 20)
    #expect(FakeDriver.registeredBytes == before + (1 << 20))
    #expect(throws: HostRegistrarFault.self) { try device.register(base + 4096, bytes: 4096) }
    device.unregister(base, bytes: 1 << 20)
    #expect(FakeDriver.registeredBytes == before)
  }
}

/// Waits, bounded, until so many batches are complete.
func wait(_ queue: any CopyQueue, batches: Int) throws {
  for _ in 0..<10_000 where try queue.completedBatches() < batches { usleep(500) }
  #expect(try queue.completedBatches() == batches)
}
