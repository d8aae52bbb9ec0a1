/// Makes host memory known to a device, so that the device copies from and to it directly: `cuMemHostRegister`.
///
/// The store hands in extents of at most `HostMemory.extentBytes`, whole pages, that are in memory and stay there until they
/// are unregistered: memory of a registered extent is not given back to the system. Called from several threads, for
/// one extent from one at a time.
public protocol HostRegistrar: Sendable {
  /// Throws a sentence for the operator where the device does not take the extent: it is then used unregistered.
  func register(_ base: UnsafeMutableRawPointer, bytes: Int) throws(HostRegistrarFault)
  /// Returns once no copy of the device uses the extent any more. Only of what was registered.
  func unregister(_ base: UnsafeMutableRawPointer, bytes: Int)
}

/// Why a device does not take memory: one line.
public struct HostRegistrarFault: Error, Sendable, Equatable {
  public let message: String
  public init(_ message: String) { self.message = message }
}
