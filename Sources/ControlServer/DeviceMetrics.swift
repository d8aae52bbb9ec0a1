import ControlAPI

extension DeviceStatus {
  func render(_ page: inout MetricsPage) {
    let labels = [("name", name), ("pci", pci)]
    page.family("tierd_device_memory_bytes", .gauge, "All of the device's memory.") { $0.sample(labels, totalBytes) }
    page.family("tierd_device_up", .gauge, "1 while the device answers.") {
      $0.sample(labels, freeBytes == nil ? 0 : 1)
    }
    guard let freeBytes else { return }
    page.family("tierd_device_free_bytes", .gauge, "What nobody has of the device's memory.") {
      $0.sample(labels, freeBytes)
    }
  }
}
