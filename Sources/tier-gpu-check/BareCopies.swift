import CUDADriver
import Glibc
import TierEngine
import TierMemory

/// The driver's copies without a store: what a link gives, between pinned shared memory as the store's host tier is made of,
/// and device memory as its device tier is.
final class BareCopies {
  struct Speeds {
    /// GB/s; `both` is the sum of both ways at once.
    let up: Double
    let down: Double
    let both: Double
  }

  private let device: CUDADevice
  private let blockBytes: Int
  private let blocks: Int
  private let host: [MemoryFile]
  private let memory: [any DeviceMemory]
  private let queues: [any CopyQueue]

  /// One region on each side for each direction.
  private static let regionBytes = 256 << 20

  init(_ device: CUDADevice, blockBytes: Int, bytesInAll: Int) throws {
    self.device = device
    self.blockBytes = blockBytes
    blocks = bytesInAll / blockBytes
    host = try (0..<2).map { try MemoryFile(name: "gpu-check-\($0)", sizeBytes: Self.regionBytes) }
    memory = try (0..<2).map { _ in try device.makeMemory(sizeBytes: Self.regionBytes) }
    queues = try (0..<2).map { _ in try device.makeQueue() }
    for file in host {
      memset(file.base, 1, file.sizeBytes)
      try device.register(file.base, bytes: file.sizeBytes)
    }
  }

  deinit { for file in host { device.unregister(file.base, bytes: file.sizeBytes) } }

  /// The middle one of three runs of each.
  func measure() throws -> Speeds {
    func middle(_ directions: [DeviceCopy.Direction]) throws -> Double {
      try (0..<3).map { _ in try run(directions) }.sorted()[1]
    }
    return Speeds(up: try middle([.toDevice]), down: try middle([.toHost]), both: try middle([.toDevice, .toHost]))
  }

  private func copy(_ direction: DeviceCopy.Direction, _ block: Int) -> DeviceCopy {
    let side = direction == .toDevice ? 0 : 1
    let offset = block % (Self.regionBytes / blockBytes) * blockBytes
    return DeviceCopy(
      direction, host: host[side].base + offset, device: memory[side].address + UInt64(offset), bytes: blockBytes)
  }

  private func run(_ directions: [DeviceCopy.Direction]) throws -> Double {
    let began = MonotonicClock.nowNs()
    let earlier = try queues.map { try $0.completedBatches() }
    for (side, direction) in directions.enumerated() {
      try queues[side].submit((0..<blocks).map { copy(direction, $0) })
    }
    for side in directions.indices {
      while try queues[side].completedBatches() == earlier[side] { usleep(20) }
    }
    return Double(blocks * blockBytes * directions.count) / Double(MonotonicClock.nowNs() - began)
  }

  func latenciesUs(_ count: Int) throws -> Percentiles {
    Percentiles(
      try (0..<count).map { block in
        let began = MonotonicClock.nowNs()
        let earlier = try queues[0].completedBatches()
        try queues[0].submit([copy(.toDevice, block)])
        while try queues[0].completedBatches() == earlier {}
        return Double(MonotonicClock.nowNs() - began) / 1000
      })
  }
}
