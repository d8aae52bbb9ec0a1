/// A device whose memory the compute tier is made of, as the store needs it: memory that other processes can import, and
/// queues of copies between it and the host. `CUDADriver` implements it; an emulated device needs none, for its memory
/// is the host's.
///
/// Memory of the host that is registered with it (`HostRegistrar`) is copied at the link's speed and asynchronously; other memory
/// is copied all the same, through memory of the driver's. All may be called from any thread.
public protocol DeviceBackend: HostRegistrar {
  /// Memory comes in multiples of this.
  var granularityBytes: Int { get }
  /// What a worker tells the device by: memory is imported by the process that uses the same one.
  var uuid: DeviceUUID { get }
  /// Makes memory whose bytes are zero, rounded up to the granularity. `outOfMemory` where others hold too much of it.
  func makeMemory(sizeBytes: Int) throws(DeviceError) -> any DeviceMemory
  /// A queue of its own on the device; copies of different queues overlap.
  func makeQueue() throws(DeviceError) -> any CopyQueue
  /// Copies bytes of the device's memory to the host, and waits for them.
  func read(_ address: UInt64, into bytes: UnsafeMutableRawBufferPointer) throws(DeviceError)
  /// The device as it is now, for operators.
  func reading() -> DeviceReading
}

/// Memory of a device, mapped in this process. Freed with its last reference, here and in every process that imported it.
public protocol DeviceMemory: AnyObject, Sendable {
  var sizeBytes: Int { get }
  /// Where it is in this process's device addresses.
  var address: UInt64 { get }
  /// What another process imports it by. Borrowed: it is closed with the memory.
  var descriptor: Int32 { get }
}

/// Copies in the order they were submitted, asynchronously. Used by one thread at a time.
///
/// The bytes of both sides must stay where they are until the batch is complete. Where a call throws, nothing is known of
/// the batches under way: the device is lost, or the queue is of no use any more.
public protocol CopyQueue: AnyObject, Sendable {
  /// Starts a batch of copies.
  func submit(_ batch: [DeviceCopy]) throws(DeviceError)
  /// How many batches, of those submitted ever, are complete. Does not wait.
  func completedBatches() throws(DeviceError) -> Int
}

/// One copy between this process's memory and a device's.
public struct DeviceCopy: @unchecked Sendable {
  public enum Direction: Sendable {
    case toDevice
    case toHost
  }
  public let direction: Direction
  public let host: UnsafeMutableRawPointer
  public let device: UInt64
  public let bytes: Int

  public init(_ direction: Direction, host: UnsafeMutableRawPointer, device: UInt64, bytes: Int) {
    self.direction = direction
    self.host = host
    self.device = device
    self.bytes = bytes
  }
}

/// 16 bytes that name a device for ever, whatever its ordinal is in a process.
public struct DeviceUUID: Sendable, Hashable {
  public let bytes: [UInt8]

  /// Nil unless there are 16.
  public init?(_ bytes: [UInt8]) {
    guard bytes.count == 16 else { return nil }
    self.bytes = bytes
  }
}

/// A device at one moment.
public struct DeviceReading: Sendable, Hashable {
  public var name: String
  /// `0000:17:00.0`
  public var pciAddress: String
  /// Nil where the system does not say.
  public var numaNode: Int?
  public var totalBytes: Int
  /// Of `totalBytes`, what nobody has; nil where the device does not answer any more.
  public var freeBytes: Int?

  public init(name: String, pciAddress: String, numaNode: Int?, totalBytes: Int, freeBytes: Int?) {
    self.name = name
    self.pciAddress = pciAddress
    self.numaNode = numaNode
    self.totalBytes = totalBytes
    self.freeBytes = freeBytes
  }
}

public enum DeviceError: Error, Sendable, Hashable {
  /// There is no device to be had: the reason, and what to do.
  case unavailable(String)
  case outOfMemory(wantedBytes: Int)
  /// It does not answer any more, and will not until this process is started anew.
  case lost(String)
  /// A call failed for another reason.
  case failed(String)

  /// One sentence a user can act on.
  public var message: String {
    switch self {
    case .unavailable(let text), .failed(let text): text
    case .outOfMemory(let bytes): "the device has no \(bytes) bytes free: others hold its memory"
    case .lost(let text): "the device is lost: \(text)"
    }
  }
}
