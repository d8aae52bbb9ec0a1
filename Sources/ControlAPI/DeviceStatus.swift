/// A device whose memory is a tier, at one moment.
public struct DeviceStatus: Codable, Sendable, Equatable {
  public var name: String
  /// As sysfs spells it: `0000:17:00.0`.
  public var pci: String
  /// The NUMA node it is attached to; nil where the system does not say.
  public var numaNode: Int?
  /// What the device tier may hold of it.
  public var budgetBytes: Int
  public var totalBytes: Int
  /// What nobody has of its memory, other processes included; nil where the device does not answer any more.
  public var freeBytes: Int?

  public init(name: String, pci: String, numaNode: Int?, budgetBytes: Int, totalBytes: Int, freeBytes: Int?) {
    self.name = name
    self.pci = pci
    self.numaNode = numaNode
    self.budgetBytes = budgetBytes
    self.totalBytes = totalBytes
    self.freeBytes = freeBytes
  }
}
