import Glibc
import TierSpill

// The files' operations.
extension SimulatedDisk {
  func write(_ bytes: [UInt8], to node: Node, at offset: Int, _ file: String) throws(SpillError) {
    try locked { () throws(SpillError) in
      precondition(offset % alignBytes == 0 && bytes.count % alignBytes == 0, "unaligned write")
      if strikes(faults.writeError) {
        // Part of it may have got there.
        let kept = random.next(below: bytes.count / Self.sectorBytes + 1) * Self.sectorBytes
        apply(Array(bytes.prefix(kept)), to: node, at: offset)
        throw .io(operation: "writing", file: file, errno: EIO)
      }
      if strikes(faults.lostWrite) {
        damages += 1
        return
      }
      var target = (node: node, offset: offset)
      if strikes(faults.misdirectedWrite) {
        damages += 1
        let nodes = names.keys.sorted().compactMap { names[$0] }
        let other = nodes[random.next(below: nodes.count)]
        let sectors = max(0, other.current.count - bytes.count) / Self.sectorBytes
        target = (other, random.next(below: sectors + 1) * Self.sectorBytes)
      }
      apply(bytes, to: target.node, at: target.offset)
    }
  }

  private func apply(_ bytes: [UInt8], to node: Node, at offset: Int) {
    let fitting = Array(bytes.prefix(max(0, node.current.count - offset)))
    node.current.replaceSubrange(offset..<offset + fitting.count, with: fitting)
    node.pending.append((offset, fitting))
  }

  func read(_ node: Node, at offset: Int, count: Int, _ file: String) throws(SpillError) -> [UInt8] {
    try locked { () throws(SpillError) in
      precondition(offset % alignBytes == 0, "unaligned read")
      try fail(faults.readError, "reading", file)
      if let unreadable, unreadable.file == file, unreadable.range.overlaps(offset..<offset + count) {
        throw .io(operation: "reading", file: file, errno: EIO)
      }
      if strikes(faults.bitRot), node.current.count > offset {
        damages += 1
        let at = offset + random.next(below: min(count, node.current.count - offset))
        let mask = UInt8(1) << UInt8(random.next(below: 8))
        node.current[at] ^= mask
        if at < node.durable.count { node.durable[at] ^= mask }
        for i in node.pending.indices where node.pending[i].offset <= at {
          let within = at - node.pending[i].offset
          if within < node.pending[i].bytes.count { node.pending[i].bytes[within] ^= mask }
        }
      }
      guard offset < node.current.count else { return [] }
      return Array(node.current[offset..<min(offset + count, node.current.count)])
    }
  }

  func sync(_ node: Node, _ file: String) throws(SpillError) {
    try locked { () throws(SpillError) in
      let fails = strikes(faults.syncError)
      for write in node.pending where !fails || random.next(below: 2) == 0 {
        let end = min(write.offset + write.bytes.count, node.durable.count)
        if end > write.offset {
          node.durable.replaceSubrange(write.offset..<end, with: write.bytes.prefix(end - write.offset))
        }
      }
      // A file's size is of the metadata that a sync of its data makes durable.
      if !fails { applyTruncations(of: node) }
      // After a failure too: the kernel forgets what it could not write, and a second sync would succeed.
      node.pending = []
      if fails { throw .io(operation: "sync", file: file, errno: EIO) }
    }
  }

  func truncate(_ node: Node, to bytes: Int, _ file: String) throws(SpillError) {
    try locked { () throws(SpillError) in
      try fail(faults.directoryError, "truncation", file)
      Self.resize(&node.current, bytes)
      node.pending = node.pending.compactMap { write in
        let kept = max(0, min(write.bytes.count, bytes - write.offset))
        return kept > 0 ? (write.offset, Array(write.bytes.prefix(kept))) : nil
      }
      changes.append(.truncate(node, bytes))
    }
  }
}

final class SimulatedFile: SpillFile, @unchecked Sendable {
  let name: String
  let disk: SimulatedDisk
  let node: SimulatedDisk.Node

  init(disk: SimulatedDisk, node: SimulatedDisk.Node, name: String) {
    self.disk = disk
    self.node = node
    self.name = name
    node.isOpen += 1
  }

  func close() { node.isOpen = max(0, node.isOpen - 1) }
  func beginUse() -> Int32? { nil }
  func endUse() {}
  func status() throws(SpillError) -> FileStatus {
    FileStatus(bytes: node.current.count, isLinked: disk.names.values.contains { $0 === node })
  }
  func truncate(to bytes: Int) throws(SpillError) { try disk.truncate(node, to: bytes, name) }
}

/// A mutex that several methods of one class share.
final class DiskLock: @unchecked Sendable {
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  init() { pthread_mutex_init(mutex, nil) }
  deinit {
    pthread_mutex_destroy(mutex)
    mutex.deallocate()
  }
  func lock() { pthread_mutex_lock(mutex) }
  func unlock() { pthread_mutex_unlock(mutex) }
}
