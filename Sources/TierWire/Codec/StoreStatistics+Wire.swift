import SwiftProtobuf
import TierCore

extension StoreStatistics {
  init(_ m: WireStatistics) throws(FrameError) {
    self.init()
    try m.requireOnlyKnownFields()
    device = try TierUse(m.device)
    host = try TierUse(m.host)
    disk = try TierUse(m.disk)
    bornOnDevice = try Moves(m.bornOnDevice)
    bornOnHost = try Moves(m.bornOnHost)
    deviceToHost = try Moves(m.deviceToHost)
    hostToDevice = try Moves(m.hostToDevice)
    hostToDisk = try Moves(m.hostToDisk)
    diskToHost = try Moves(m.diskToHost)
    hits = try Field.amount(m.hits, "hits")
    misses = try Field.amount(m.misses, "misses")
    lost = try Field.amount(m.lost, "lost blocks")
    spillOriginalBytes = try Field.amount(m.spillOriginalBytes, "spilled bytes")
    spillStoredBytes = try Field.amount(m.spillStoredBytes, "stored bytes")
  }

  var message: WireStatistics {
    .with {
      $0.device = device.message
      $0.host = host.message
      $0.disk = disk.message
      $0.bornOnDevice = bornOnDevice.message
      $0.bornOnHost = bornOnHost.message
      $0.deviceToHost = deviceToHost.message
      $0.hostToDevice = hostToDevice.message
      $0.hostToDisk = hostToDisk.message
      $0.diskToHost = diskToHost.message
      $0.hits = UInt64(clamping: hits)
      $0.misses = UInt64(clamping: misses)
      $0.lost = UInt64(clamping: lost)
      $0.spillOriginalBytes = UInt64(clamping: spillOriginalBytes)
      $0.spillStoredBytes = UInt64(clamping: spillStoredBytes)
    }
  }
}

extension StoreStatistics.Moves {
  fileprivate init(_ m: WireStatistics.Moves) throws(FrameError) {
    self.init()
    try m.requireOnlyKnownFields()
    blocks = try Field.amount(m.blocks, "moved blocks")
    bytes = try Field.amount(m.bytes, "moved bytes")
  }

  fileprivate var message: WireStatistics.Moves {
    .with {
      $0.blocks = UInt64(clamping: blocks)
      $0.bytes = UInt64(clamping: bytes)
    }
  }
}

extension StoreStatistics.TierUse {
  fileprivate init(_ m: WireStatistics.TierUse) throws(FrameError) {
    self.init()
    try m.requireOnlyKnownFields()
    budgetBytes = try Field.amount(m.budgetBytes, "budget")
    usedBytes = try Field.amount(m.usedBytes, "used bytes")
    peakBytes = try Field.amount(m.peakBytes, "peak bytes")
  }

  fileprivate var message: WireStatistics.TierUse {
    .with {
      $0.budgetBytes = UInt64(clamping: budgetBytes)
      $0.usedBytes = UInt64(clamping: usedBytes)
      $0.peakBytes = UInt64(clamping: peakBytes)
    }
  }
}
