import Glibc
import TierSpill

/// A disk in memory that misbehaves as disks do, from a seed. What is written is pending until a sync; a crash keeps an
/// arbitrary subset of the pending sectors and a prefix of the pending changes to the directory.
final class SimulatedDisk: SpillDisk, @unchecked Sendable {
  /// Chances in 1,000 per operation.
  struct Faults {
    var readError = 0
    var writeError = 0
    var syncError = 0
    var directoryError = 0
    var noSpace = 0
    /// Damage that no error tells of: the writes that go elsewhere, or nowhere, and bits that flip at rest.
    var misdirectedWrite = 0
    var lostWrite = 0
    var bitRot = 0

    static let none = Faults()
  }

  final class Node {
    /// What survives a crash, and what a reader sees.
    var durable: [UInt8]
    var current: [UInt8]
    var pending: [(offset: Int, bytes: [UInt8])] = []
    var isOpen = 0

    init(bytes: Int) {
      durable = [UInt8](repeating: 0, count: bytes)
      current = durable
    }
  }

  private enum Change {
    case create(String, Node)
    case rename(String, String)
    case remove(String)
    case truncate(Node, Int)
  }

  let name = "simulated"
  let alignBytes: Int
  let isDirect = true
  var faults = Faults.none
  /// The most bytes all files took at once, unlinked ones that are still open included.
  private(set) var peakBytes = 0
  /// How often something was damaged without an error.
  private(set) var damages = 0

  private var random: SeededRandom
  private var names: [String: Node] = [:]
  private var durableNames: [String: Node] = [:]
  private var changes: [Change] = []
  private var unlinked: [Node] = []
  private let lock = DiskLock()

  static let sectorBytes = 512

  init(seed: UInt64, alignBytes: Int = 512) {
    random = SeededRandom(seed: seed)
    self.alignBytes = alignBytes
  }

  func locked<Result>(_ body: () throws(SpillError) -> Result) throws(SpillError) -> Result {
    lock.lock()
    defer { lock.unlock() }
    return try body()
  }

  private func strikes(_ chance: Int) -> Bool { chance > 0 && random.next(below: 1000) < chance }

  private func fail(_ chance: Int, _ operation: String, _ file: String, _ code: Int32 = EIO) throws(SpillError) {
    if strikes(chance) { throw SpillError.from(operation: operation, file: file, errno: code) }
  }

  private func notePeak() {
    unlinked.removeAll { $0.isOpen == 0 }
    let bytes = names.values.reduce(0) { $0 + $1.current.count } + unlinked.reduce(0) { $0 + $1.current.count }
    peakBytes = max(peakBytes, bytes)
  }
}

// The directory.
extension SimulatedDisk {
  func list() throws(SpillError) -> [DiskEntry] {
    try locked { () throws(SpillError) in
      names.map { DiskEntry(name: $0.key, bytes: $0.value.current.count, isRegular: true) }
    }
  }

  func create(_ file: String, bytes: Int) throws(SpillError) -> any SpillFile {
    try locked { () throws(SpillError) in
      try fail(faults.directoryError, "creation", file)
      try fail(faults.noSpace, "allocation", file, ENOSPC)
      guard names[file] == nil else { throw .io(operation: "creation", file: file, errno: EEXIST) }
      let node = Node(bytes: bytes)
      names[file] = node
      changes.append(.create(file, node))
      notePeak()
      return SimulatedFile(disk: self, node: node, name: file)
    }
  }

  func open(_ file: String, alignBytes: Int) throws(SpillError) -> any SpillFile {
    try locked { () throws(SpillError) in
      guard let node = names[file] else { throw .io(operation: "opening", file: file, errno: ENOENT) }
      return SimulatedFile(disk: self, node: node, name: file)
    }
  }

  func rename(_ file: String, to other: String) throws(SpillError) {
    try locked { () throws(SpillError) in
      try fail(faults.directoryError, "renaming", file)
      guard let node = names.removeValue(forKey: file) else {
        throw .io(operation: "renaming", file: file, errno: ENOENT)
      }
      names[other] = node
      changes.append(.rename(file, other))
    }
  }

  func remove(_ file: String) throws(SpillError) {
    try locked { () throws(SpillError) in
      try fail(faults.directoryError, "removal", file)
      guard let node = names.removeValue(forKey: file) else {
        throw .io(operation: "removal", file: file, errno: ENOENT)
      }
      unlinked.append(node)
      changes.append(.remove(file))
    }
  }

  func syncDirectory() throws(SpillError) {
    try locked { () throws(SpillError) in
      try fail(faults.directoryError, "sync", name)
      applyChanges(changes.count)
    }
  }

  func close() {}

  private func applyChanges(_ count: Int) {
    for change in changes.prefix(count) {
      switch change {
      case .create(let file, let node): durableNames[file] = node
      case .rename(let file, let other): durableNames[other] = durableNames.removeValue(forKey: file)
      case .remove(let file): durableNames[file] = nil
      case .truncate(let node, let bytes): Self.resize(&node.durable, bytes)
      }
    }
    changes.removeFirst(count)
  }

  private static func resize(_ bytes: inout [UInt8], _ count: Int) {
    if bytes.count > count { bytes.removeLast(bytes.count - count) }
    while bytes.count < count { bytes.append(0) }
  }

  /// Power is cut: some of what was pending is there, some is not, sector by sector.
  func crash() {
    lock.lock()
    defer { lock.unlock() }
    applyChanges(random.next(below: changes.count + 1))
    changes = []
    for node in durableNames.values {
      for write in node.pending {
        for start in stride(from: 0, to: write.bytes.count, by: Self.sectorBytes) where random.next(below: 2) == 0 {
          let sector = write.bytes[start..<min(start + Self.sectorBytes, write.bytes.count)]
          let at = write.offset + start
          if at + sector.count <= node.durable.count {
            node.durable.replaceSubrange(at..<at + sector.count, with: sector)
          }
        }
      }
      node.pending = []
      node.current = node.durable
      node.isOpen = 0
    }
    names = durableNames
    unlinked = []
    notePeak()
  }

  /// Flips a bit of a file at rest; for tests that aim.
  func flip(file: String, byte: Int, bit: UInt8 = 0) {
    lock.lock()
    defer { lock.unlock() }
    names[file]?.current[byte] ^= 1 << bit
    names[file]?.durable[byte] ^= 1 << bit
    damages += 1
  }

  func contents(of file: String) -> [UInt8]? { names[file]?.current }
  var fileNames: [String] { names.keys.sorted() }
  /// A file that somebody put there.
  func plant(_ file: String, _ bytes: [UInt8]) {
    let node = Node(bytes: 0)
    node.current = bytes
    node.durable = bytes
    names[file] = node
    durableNames[file] = node
  }
}

// The files' operations.
extension SimulatedDisk {
  fileprivate func write(_ bytes: [UInt8], to node: Node, at offset: Int, _ file: String) throws(SpillError) {
    try locked { () throws(SpillError) in
      precondition(offset % alignBytes == 0 && bytes.count % alignBytes == 0, "unaligned write")
      precondition(offset + bytes.count <= node.current.count, "write beyond the allocation")
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

  fileprivate func read(_ node: Node, at offset: Int, count: Int, _ file: String) throws(SpillError) -> [UInt8] {
    try locked { () throws(SpillError) in
      precondition(offset % alignBytes == 0, "unaligned read")
      try fail(faults.readError, "reading", file)
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

  fileprivate func sync(_ node: Node, _ file: String) throws(SpillError) {
    try locked { () throws(SpillError) in
      let fails = strikes(faults.syncError)
      for write in node.pending where !fails || random.next(below: 2) == 0 {
        let end = min(write.offset + write.bytes.count, node.durable.count)
        if end > write.offset {
          node.durable.replaceSubrange(write.offset..<end, with: write.bytes.prefix(end - write.offset))
        }
      }
      // After a failure too: the kernel forgets what it could not write, and a second sync would succeed.
      node.pending = []
      if fails { throw .io(operation: "sync", file: file, errno: EIO) }
    }
  }

  fileprivate func truncate(_ node: Node, to bytes: Int, _ file: String) throws(SpillError) {
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

private final class SimulatedFile: SpillFile, @unchecked Sendable {
  let name: String
  private let disk: SimulatedDisk
  private let node: SimulatedDisk.Node

  init(disk: SimulatedDisk, node: SimulatedDisk.Node, name: String) {
    self.disk = disk
    self.node = node
    self.name = name
    node.isOpen += 1
  }

  func close() { node.isOpen = max(0, node.isOpen - 1) }
  func bytes() throws(SpillError) -> Int { node.current.count }
  func write(_ source: UnsafeRawBufferPointer, at offset: Int) throws(SpillError) {
    try disk.write(Array(source), to: node, at: offset, name)
  }
  func read(into destination: UnsafeMutableRawBufferPointer, at offset: Int) throws(SpillError) -> Int {
    let bytes = try disk.read(node, at: offset, count: destination.count, name)
    destination.copyBytes(from: bytes)
    return bytes.count
  }
  func truncate(to bytes: Int) throws(SpillError) { try disk.truncate(node, to: bytes, name) }
  func syncData() throws(SpillError) { try disk.sync(node, name) }
}

/// A mutex that several methods of one class share.
private final class DiskLock: @unchecked Sendable {
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  init() { pthread_mutex_init(mutex, nil) }
  deinit {
    pthread_mutex_destroy(mutex)
    mutex.deallocate()
  }
  func lock() { pthread_mutex_lock(mutex) }
  func unlock() { pthread_mutex_unlock(mutex) }
}
