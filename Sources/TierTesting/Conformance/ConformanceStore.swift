public import ControlAPI
public import FoundationEssentials
public import TierCore
public import TierEngine
import TierWire

/// How a worker reaches the store. One suite for all.
public enum ConformanceTransport: String, Sendable, CaseIterable {
  case embedded
  case socket
}

/// What stores of a conformance run are made with.
public struct ConformanceBed: Sendable {
  /// Makes the device of each store; nil where it is emulated.
  public var device: (@Sendable () throws -> DeviceTier)?
  /// What workers on the socket import its memory with.
  public var importer: (any DeviceImporter)?
  /// How much larger blocks and budgets are than the smallest: a device's memory comes in pieces of some MiB.
  public var scale: Int
  public var report: @Sendable (String) -> Void

  public init(
    device: (@Sendable () throws -> DeviceTier)? = nil, importer: (any DeviceImporter)? = nil, scale: Int = 1,
    report: @escaping @Sendable (String) -> Void = { _ in }
  ) {
    self.device = device
    self.importer = importer
    self.scale = scale
    self.report = report
  }
}

/// A running store with its socket, in a directory of its own.
public final class ConformanceStore {
  public let engine: Engine
  let server: WorkerServer
  public let directory: URL
  private let bed: ConformanceBed

  /// - Parameter directory: of an earlier store, whose files are found there; a new one for nil.
  public init(
    _ bed: ConformanceBed = ConformanceBed(), deviceBytes: Int, hostBytes: Int, diskBytes: Int, directory: URL? = nil,
    tenants: TenantTable = TenantTable()
  ) throws {
    self.bed = bed
    self.directory =
      directory ?? FileManager.default.temporaryDirectory.appending(path: "tierd-\(UInt32.random(in: 0...UInt32.max))")
    try FileManager.default.createDirectory(
      at: self.directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    var options = EngineOptions(
      deviceBytes: deviceBytes, hostBytes: hostBytes, diskBytes: diskBytes,
      spillDirectory: self.directory.appending(path: "spill").path, report: bed.report)
    if deviceBytes > 0 { options.device = try bed.device?() }
    options.tenants = tenants
    engine = try Engine(options)
    server = try WorkerServer(path: self.directory.appending(path: "w.sock").path, host: engine)
  }

  public func session(_ transport: ConformanceTransport) throws -> any ResidencySession {
    switch transport {
    case .embedded: try EmbeddedSession(engine)
    case .socket:
      try WorkerClient.connect(
        path: directory.appending(path: "w.sock").path, name: "conformance", timeoutMs: 5000, importer: bed.importer)
    }
  }

  public func stop(keepFiles: Bool = false) {
    server.stop()
    engine.stop()
    if !keepFiles { try? FileManager.default.removeItem(at: directory) }
  }
}
