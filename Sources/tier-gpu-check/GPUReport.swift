import CUDADriver
import FoundationEssentials

/// What is printed at the end: one JSON object.
struct GPUReport: Codable {
  struct Conformance: Codable {
    var passed: [String] = []
    var failed: [String] = []
  }

  /// GB/s of blocks of one size; through the daemon, and bare copies between the same kinds of memory in the same run.
  struct Copies: Codable {
    var blockMiB: Int
    var hostToDevice: Ratio
    var deviceToHost: Ratio
    var both: Ratio
  }

  struct Ratio: Codable {
    var daemonGBPerS: Double
    var bareGBPerS: Double
    var ratio: Double

    init(daemon: Double, bare: Double) {
      (daemonGBPerS, bareGBPerS, ratio) = (daemon, bare, daemon / bare)
    }
  }

  struct Latency: Codable {
    /// Of making one block resident that is on the host: from the acquire to its lease, through the socket.
    var blockMiB: Int
    var daemonP50Us: Double
    var daemonP99Us: Double
    var bareP50Us: Double
    var ratio: Double
  }

  var device: String
  var pci: String
  var driver: Int
  var totalBytes: Int
  var numaNode: Int?
  var conformance: Conformance?
  var copies: [Copies]?
  /// As `copies`, while another process computes on the GPU; bare copies are those without.
  var whileComputing: [Copies]?
  var latency: Latency?
  var failures: [String] = []

  init(device: CUDADevice, driver: Int) {
    self.device = device.name
    self.driver = driver
    pci = device.pciAddress
    totalBytes = device.totalBytes
    numaNode = device.numaNode
  }

  func json() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
    encoder.keyEncodingStrategy = .convertToSnakeCase
    return String(decoding: try encoder.encode(self), as: UTF8.self)
  }
}
