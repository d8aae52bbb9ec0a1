import CUDADriver
import Testing
import TierEngine
import TierTesting

extension CUDATests {
  /// The suite that an emulated device passes, on a CUDA device: blocks in its memory, copied by its streams, read by workers
  /// that import it.
  @Suite struct CUDAConformanceTests {
    @Test(arguments: ConformanceSuite.cases)
    func cuda(_ one: ConformanceSuite.Case) throws {
      let before = FakeDriver.allocatedBytes
      try one.run(
        ConformanceBed(
          device: { try DeviceTier(FakeDriver.device()) }, importer: CUDAImporter(driver: FakeDriver.path), scale: 4))
      #expect(FakeDriver.allocatedBytes == before, "what a store had of the device is free when it has stopped")
    }
  }
}
