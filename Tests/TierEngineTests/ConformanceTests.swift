import Testing
import TierTesting

typealias Transport = ConformanceTransport
typealias TestStore = ConformanceStore

/// The suite on an emulated device; `CUDADriverTests` runs it on a CUDA device.
@Suite(.serialized) struct ConformanceTests {
  @Test(arguments: ConformanceSuite.cases)
  func emulated(_ one: ConformanceSuite.Case) throws { try one.run(ConformanceBed()) }
}
