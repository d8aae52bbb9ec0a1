import Glibc
package import TierSpill

/// A disk in memory that misbehaves as disks do, from a seed. What is written is pending until a sync; a crash keeps an
/// arbitrary subset of the pending sectors and a prefix of the pending changes to the directory.
package final class SimulatedDisk: SpillDisk, @unchecked Sendable {
  /// Chances in 1,000 per operation.
  package struct Faults: Sendable {
    package var readError = 0
    package var writeError = 0
    package var syncError = 0
    package var directoryError = 0
    package var noSpace = 0
    /// Operations that end after later ones, or after their deadline.
    package var slow = 0
    /// Damage that no error tells of: the writes that go elsewhere, or nowhere, and bits that flip at rest.
    package var misdirectedWrite = 0
    package var lostWrite = 0
    package var bitRot = 0

    package init() {}
    package static let none = Faults()
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

  enum Change {
    case create(String, Node)
    case rename(String, String)
    case remove(String)
    case truncate(Node, Int)
  }

  package let name = "simulated"
  package let alignBytes: Int
  package let blockBytes: Int
  package let isDirect = true
  package var engine: any IOEngine { SimulatedEngine(disk: self) }
  package var faults = Faults.none
  /// The most bytes all files took at once, unlinked ones that are still open included.
  package private(set) var peakBytes = 0
  /// Called when a file is made: a file system that hangs.
  package var onCreate: (() -> Void)?
  /// A place that cannot be read.
  package var unreadable: (file: String, range: Range<Int>)?
  /// Called while a slow write is under way, once: what happens meanwhile.
  package var interlude: (() -> Void)?
  /// How often something was damaged without an error.
  package internal(set) var damages = 0

  var random: SeededRandom
  var names: [String: Node] = [:]
  private var durableNames: [String: Node] = [:]
  var changes: [Change] = []
  private var unlinked: [Node] = []
  let lock = DiskLock()

  static let sectorBytes = 512

  package init(seed: UInt64, alignBytes: Int = 512, blockBytes: Int? = nil) {
    self.blockBytes = max(alignBytes, blockBytes ?? alignBytes)
    random = SeededRandom(seed: seed)
    self.alignBytes = alignBytes
  }

  func locked<Result>(_ body: () throws(SpillError) -> Result) throws(SpillError) -> Result {
    lock.lock()
    defer { lock.unlock() }
    return try body()
  }

  func strikes(_ chance: Int) -> Bool { chance > 0 && random.next(below: 1000) < chance }

  func fail(_ chance: Int, _ operation: String, _ file: String, _ code: Int32 = EIO) throws(SpillError) {
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
  package func list() throws(SpillError) -> [DiskEntry] {
    try locked { () throws(SpillError) in
      names.map { DiskEntry(name: $0.key, bytes: $0.value.current.count, isRegular: true) }
    }
  }

  package func create(_ file: String, bytes: Int) throws(SpillError) -> any SpillFile {
    onCreate?()
    return try locked { () throws(SpillError) in
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

  package func open(_ file: String, alignBytes: Int) throws(SpillError) -> any SpillFile {
    try locked { () throws(SpillError) in
      guard let node = names[file] else { throw .io(operation: "opening", file: file, errno: ENOENT) }
      return SimulatedFile(disk: self, node: node, name: file)
    }
  }

  package func rename(_ file: String, to other: String) throws(SpillError) {
    try locked { () throws(SpillError) in
      try fail(faults.directoryError, "renaming", file)
      guard let node = names.removeValue(forKey: file) else {
        throw .io(operation: "renaming", file: file, errno: ENOENT)
      }
      names[other] = node
      changes.append(.rename(file, other))
    }
  }

  package func remove(_ file: String) throws(SpillError) {
    try locked { () throws(SpillError) in
      try fail(faults.directoryError, "removal", file)
      guard let node = names.removeValue(forKey: file) else {
        throw .io(operation: "removal", file: file, errno: ENOENT)
      }
      unlinked.append(node)
      changes.append(.remove(file))
    }
  }

  package func syncDirectory() throws(SpillError) {
    try locked { () throws(SpillError) in
      try fail(faults.directoryError, "sync", name)
      applyChanges(changes.count)
    }
  }

  package func close() {}
  package func state() -> DirectoryState { .present }
  package func reattach() throws(SpillError) {}

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

  func applyTruncations(of synced: Node) {
    changes.removeAll { change in
      guard case .truncate(let node, let bytes) = change, node === synced else { return false }
      Self.resize(&node.durable, bytes)
      return true
    }
  }

  static func resize(_ bytes: inout [UInt8], _ count: Int) {
    if bytes.count > count { bytes.removeLast(bytes.count - count) }
    while bytes.count < count { bytes.append(0) }
  }

  /// Power is cut: some of what was pending is there, some is not, sector by sector.
  package func crash() {
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

  /// The disk as it would be after a power cut at this instant; this one goes on.
  package func crashed(seed: UInt64) -> SimulatedDisk {
    let copy = SimulatedDisk(seed: seed, alignBytes: alignBytes, blockBytes: blockBytes)
    lock.lock()
    var nodes: [ObjectIdentifier: Node] = [:]
    func copied(_ node: Node) -> Node {
      if let known = nodes[ObjectIdentifier(node)] { return known }
      let new = Node(bytes: 0)
      (new.durable, new.current, new.pending) = (node.durable, node.current, node.pending)
      nodes[ObjectIdentifier(node)] = new
      return new
    }
    copy.names = names.mapValues(copied)
    copy.durableNames = durableNames.mapValues(copied)
    copy.changes = changes.map { change in
      switch change {
      case .create(let name, let node): .create(name, copied(node))
      case .truncate(let node, let bytes): .truncate(copied(node), bytes)
      case .rename, .remove: change
      }
    }
    copy.damages = damages
    lock.unlock()
    copy.crash()
    return copy
  }

  /// Flips a bit of a file at rest; for tests that aim.
  package func flip(file: String, byte: Int, bit: UInt8 = 0) {
    lock.lock()
    defer { lock.unlock() }
    names[file]?.current[byte] ^= 1 << bit
    names[file]?.durable[byte] ^= 1 << bit
    damages += 1
  }

  package func contents(of file: String) -> [UInt8]? { names[file]?.current }
  package var fileNames: [String] { names.keys.sorted() }
  /// A file that somebody put there.
  package func plant(_ file: String, _ bytes: [UInt8]) {
    let node = Node(bytes: 0)
    node.current = bytes
    node.durable = bytes
    names[file] = node
    durableNames[file] = node
  }
}
