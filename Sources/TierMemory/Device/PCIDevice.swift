/// What sysfs says of a device on the PCI bus.
public enum PCIDevice {
  /// The NUMA node the device is attached to; nil where the system does not say (sysfs has -1), or has no such device.
  /// - Parameter address: as sysfs spells it: `0000:17:00.0`.
  public static func numaNode(of address: String, root: String = "/sys/bus/pci/devices") -> Int? {
    PseudoFile("\(root)/\(address)/numa_node")?.number()
  }
}
