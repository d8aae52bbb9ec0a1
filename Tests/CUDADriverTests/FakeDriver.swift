import CUDADriver
import Foundation
import Glibc
import TierMemory

/// The driver for tests, in this process: one, for a driver's state is its process's. It has 256 MiB, in pieces of 64 KiB, and
/// copies that take up to 200 µs longer than they would.
enum FakeDriver {
  static let path: String = {
    let name = "libFakeCUDADriver.so"
    let beside = Bundle.main.bundleURL.deletingLastPathComponent().appending(path: name).path
    let here = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent().appending(path: name).path
    return [beside, here].first { FileManager.default.fileExists(atPath: $0) } ?? name
  }()

  static let memoryBytes = 256 << 20
  static let granularityBytes = 64 << 10

  static let library: Result<CUDALibrary, any Error> = Result {
    setenv("FAKE_CUDA_DEVICES", "2", 1)
    setenv("FAKE_CUDA_MEMORY", "\(memoryBytes)", 1)
    setenv("FAKE_CUDA_GRANULARITY", "\(granularityBytes)", 1)
    setenv("FAKE_CUDA_DELAY_US", "200", 1)
    return try CUDALibrary(path: path)
  }

  static func device(_ ordinal: Int = 0) throws -> CUDADevice { try CUDADevice(library.get(), ordinal: ordinal) }

  nonisolated(unsafe) private static let handle: UnsafeMutableRawPointer = dlopen(path, RTLD_NOW)!

  private static func function<F>(_ name: String, as type: F.Type) -> F {
    unsafeBitCast(dlsym(handle, name)!, to: type)
  }

  /// After so many more calls of a function, so many fail; a negative number for ever.
  static func fail(_ name: String, afterCalls calls: Int32 = 0, failures: Int32, code: Int32) {
    let fail = function(
      "fake_cuda_fail", as: (@convention(c) (UnsafePointer<CChar>, Int32, Int32, Int32) -> Void).self)
    fail(name, calls, failures, code)
  }

  /// Takes every failure back.
  static func mend(_ name: String) { fail(name, failures: 0, code: 0) }

  static var allocatedBytes: Int { count("fake_cuda_allocated_bytes") }
  static var registeredBytes: Int { count("fake_cuda_registered_bytes") }

  private static func count(_ name: String) -> Int {
    Int(function(name, as: (@convention(c) () -> UInt64).self)())
  }
}
