import Glibc
import TierCore
import TierSpill

/// A spill on a real disk, and the disk bare, in turns.
final class DiskMeter: @unchecked Sendable {
  private let bench: Bench
  private let sample: KVSample
  private let onDiskRatio: Double
  private let disk: PosixDisk
  private let lane: any IOLane
  /// Written anew in each turn: blocks go to fresh files, too.
  private var bare: any SpillFile
  private let bareBytes: Int
  private let slots: UnsafeMutableRawBufferPointer

  private static let pieceBytes = 1 << 20
  private static let depth = 8
  private static let capBytes = 4 << 30
  private static let groupBlocks = 60

  init(_ bench: Bench, _ sample: KVSample, onDiskRatio: Double) throws(BenchFault) {
    self.bench = bench
    self.sample = sample
    self.onDiskRatio = onDiskRatio
    let bytes = sample.bytes / Self.pieceBytes * Self.pieceBytes
    bareBytes = bytes
    let directory = try bench.scratch.directory("bare")
    (disk, bare, lane) = try Self.io { () throws(SpillError) in
      let disk = try PosixDisk(path: directory, options: SpillOptions())
      let lane = try disk.engine.makeLane()
      try lane.reserve(max(Self.depth * Self.pieceBytes, sample.layers * sample.layout.payloadBytes))
      return (disk, try disk.create("bare", bytes: bytes), lane)
    }
    slots = .allocate(byteCount: 2 * Self.groupBlocks * sample.layout.payloadBytes, alignment: 4096)
    lane.bytes(0..<sample.layout.payloadBytes).copyMemory(from: sample.blocks[0])
  }

  func end() {
    bare.close()
    disk.close()
    slots.deallocate()
  }

  private static func io<Result>(_ body: () throws(SpillError) -> Result) throws(BenchFault) -> Result {
    do throws(SpillError) { return try body() } catch { throw .io(error.message) }
  }

  /// - Parameters: what one core does of the codec, in GB/s.
  func run(encode: Double, decode: Double) throws(BenchFault) -> [Figure] {
    bench.note("disk: \(disk.engine.name), \(disk.isDirect ? "direct" : "through the page cache")")
    // The first turn warms up: buffers are touched, the file system has made its first files.
    var (bareWrites, bareReads, writes, reads, chunks, bareChunks) =
      ([Double](), [Double](), [Double](), [Double](), [Double](), [Double]())
    var (scans, onDisk) = ([Double](), 0.0)
    for turn in 0...(bench.pairs ?? 5) {
      bench.progress.show("disk, turn \(turn)")
      if turn == 1 {
        (bareWrites, bareReads, writes, reads, chunks, bareChunks) = ([], [], [], [], [], [])
        scans = []
      }
      bareWrites.append(try Self.io { () throws(SpillError) in try writeBare() })
      let directory = try bench.scratch.directory("spill-\(turn)")
      let scanDirectory = try bench.scratch.directory("scan-\(turn)")
      defer { ScratchDirectory.remove(directory) }
      try Self.io { () throws(SpillError) in
        let spill = try Spill.open(directory: directory, capBytes: Self.capBytes)
        defer { spill.close() }
        spill.start()
        // As in a daemon that runs: its first segment is there.
        warm(spill)
        writes.append(write(spill))
        bareReads.append(try passBare(.read))
        reads.append(read(spill))
        for chunk in 0..<sample.blocks.count / sample.layers {
          bareChunks.append(try readBareChunk(chunk))
          chunks.append(readChunk(spill, chunk))
        }
        onDisk = spill.statistics().ratio
        scans.append(try scan(scanDirectory))
      }
    }
    bench.progress.clear()
    print("spill scan \(FigureTable.number(scans.median, digits: 2)) GB/s")
    let writeLimit = min(encode, bareWrites.median * onDiskRatio)
    let readLimit = min(decode, bareReads.median * onDiskRatio)
    return [
      .median("bare_write_gb_per_s", "bare direct writes of 1 MiB, then a sync", .gigabytesPerSecond, of: bareWrites),
      .median("bare_read_gb_per_s", "bare direct reads of 1 MiB", .gigabytesPerSecond, of: bareReads),
      Figure(
        "bf16_file_ratio", "bf16: original bytes to bytes of file, as those blocks were written", .ratio, value: onDisk,
        target: .atLeast(1.41)),
      .median(
        "scan_gb_per_s", "a segment without a footer, scanned and sealed, stored bytes", .gigabytesPerSecond, of: scans,
        target: .atLeast(1)),
      .median("write_gb_per_s", "blocks written until durable, original bytes", .gigabytesPerSecond, of: writes),
      .median("read_gb_per_s", "blocks read, verified and decoded, original bytes", .gigabytesPerSecond, of: reads),
      Figure(
        "write_to_limit_ratio",
        "writes to what \(encode < bareWrites.median * onDiskRatio ? "the codec" : "the disk") allows", .ratio,
        value: writes.median / writeLimit, target: .atLeast(0.85), samples: writes.map { $0 / writeLimit }),
      Figure(
        "read_to_limit_ratio",
        "reads to what \(decode < bareReads.median * onDiskRatio ? "the codec" : "the disk") allows", .ratio,
        value: reads.median / readLimit, target: .atLeast(0.85), samples: reads.map { $0 / readLimit }),
      .median(
        "chunk_read_p50_us", "a chunk of \(sample.layers) blocks from disk into its slots, p50", .microseconds,
        of: chunks),
      .median(
        "bare_chunk_read_p50_us", "a bare direct read of as many original bytes, p50", .microseconds,
        of: bareChunks),
      Figure(
        "chunk_read_to_bare_ratio", "the former to the latter", .ratio, value: chunks.median / bareChunks.median,
        target: .atMost(1.2), samples: chunks),
    ]
  }

  private func writeBare() throws(SpillError) -> Double {
    bare.close()
    try disk.remove("bare")
    bare = try disk.create("bare", bytes: bareBytes)
    return try passBare(.write)
  }

  /// GB/s of one pass over the bare file.
  private func passBare(_ kind: IOKind) throws(SpillError) -> Double {
    let start = nowNs()
    let pieces = bareBytes / Self.pieceBytes
    var (next, inFlight) = (0, 0)
    while next < pieces || inFlight > 0 {
      // A tag is a part of the buffer: the one that has just ended is the next to go.
      while next < pieces, inFlight < Self.depth {
        submit(kind, piece: next, part: inFlight)
        (next, inFlight) = (next + 1, inFlight + 1)
      }
      guard let ended = lane.next(untilNs: nowNs() + 60_000_000_000) else {
        throw .timedOut(operation: "bare I/O", file: bare.name, afterMs: 60_000)
      }
      if ended.result != Self.pieceBytes { throw .io(operation: "bare I/O", file: bare.name, errno: EIO) }
      if next < pieces {
        submit(kind, piece: next, part: ended.tag)
        next += 1
      } else {
        inFlight -= 1
      }
    }
    if kind == .write { try lane.sync(bare, deadlineMs: 60_000) }
    return Double(bareBytes) / Double(nowNs() - start)
  }

  private func submit(_ kind: IOKind, piece: Int, part: Int) {
    let from = part * Self.pieceBytes
    lane.submit(kind, bare, at: piece * Self.pieceBytes, from..<from + Self.pieceBytes, tag: part)
  }

  private func key(_ i: Int) -> BlockKey {
    BlockKey(
      tenant: TenantID(0), id: BlockID(a: UInt64(i / sample.layers), b: 0, c: 0, d: 0), layer: UInt16(i % sample.layers)
    )
  }

  /// GB/s of original bytes until all of them are durable: in groups, by two threads, one of which encodes while the
  /// other's group is being synced. As the daemon does it.
  private func write(_ spill: Spill) -> Double {
    inGroups { [self] range in
      let batch = range.map {
        BlockWrite(key: key($0), layout: sample.layout, checksum: sample.checksums[$0], bytes: sample.blocks[$0])
      }
      for outcome in spill.write(batch: batch) {
        guard case .durable = outcome else { preconditionFailure("a block was not written: \(outcome)") }
      }
    }
  }

  /// GB/s of stored bytes at which a start finds the blocks of one segment that a crash left open: scanned, made durable,
  /// sealed.
  private func scan(_ directory: String) throws(SpillError) -> Double {
    defer { ScratchDirectory.remove(directory) }
    var options = SpillOptions()
    options.isBackground = false
    options.segmentBytes = (sample.bytes + (8 << 20)).roundedUp(to: 4096)
    let crashed = try Spill.open(directory: directory, capBytes: Self.capBytes, options: options)
    _ = write(crashed)
    crashed.abandon()
    let start = nowNs()
    let found = try Spill.open(directory: directory, capBytes: Self.capBytes, options: options)
    let elapsedNs = nowNs() - start
    defer { found.close() }
    guard found.recovery.records == sample.blocks.count else { preconditionFailure("a scan finds every block") }
    return Double(found.recovery.storedBytes) / Double(elapsedNs)
  }

  private func warm(_ spill: Spill) {
    let block = BlockWrite(
      key: BlockKey(tenant: TenantID(1), id: BlockID(a: 0, b: 0, c: 0, d: 0), layer: 0), layout: sample.layout,
      checksum: sample.checksums[0], bytes: sample.blocks[0])
    _ = spill.write(batch: [block])
  }

  /// GB/s of original bytes, by two threads.
  private func read(_ spill: Spill) -> Double {
    inGroups { [self] range in
      let place = range.lowerBound / Self.groupBlocks % 2 * Self.groupBlocks
      read(spill, range, at: place)
    }
  }

  /// Two threads, as the daemon has, take turns at groups of blocks; each has slots of its own for the blocks it reads.
  private func inGroups(_ work: @escaping @Sendable (Range<Int>) -> Void) -> Double {
    let start = nowNs()
    let count = sample.blocks.count
    let threads = (0..<2).map { first in
      Worker {
        for group in stride(from: first * Self.groupBlocks, to: count, by: 2 * Self.groupBlocks) {
          work(group..<min(group + Self.groupBlocks, count))
        }
      }
    }
    for thread in threads { thread.join() }
    return Double(sample.bytes) / Double(nowNs() - start)
  }

  private func read(_ spill: Spill, _ range: Range<Int>, at first: Int = 0) {
    let size = sample.layout.payloadBytes
    let batch = range.enumerated().map { place, i in
      BlockRead(
        key: key(i), layout: sample.layout,
        destination: UnsafeMutableRawBufferPointer(rebasing: slots[(first + place) * size..<(first + place + 1) * size])
      )
    }
    for (i, outcome) in zip(range, spill.read(batch: batch)) where outcome != .ok(checksum: sample.checksums[i]) {
      preconditionFailure("block \(i) was not read: \(outcome)")
    }
  }

  /// In µs.
  private func readChunk(_ spill: Spill, _ chunk: Int) -> Double {
    let start = nowNs()
    read(spill, chunk * sample.layers..<(chunk + 1) * sample.layers)
    return Double(nowNs() - start) / 1000
  }

  private func readBareChunk(_ chunk: Int) throws(SpillError) -> Double {
    let bytes = sample.layers * sample.layout.payloadBytes / 4096 * 4096
    let offset = min(chunk * bytes, bareBytes - bytes) / 4096 * 4096
    let start = nowNs()
    guard try lane.read(0..<bytes, of: bare, at: offset, deadlineMs: 60_000) == bytes else {
      throw .io(operation: "bare I/O", file: bare.name, errno: EIO)
    }
    return Double(nowNs() - start) / 1000
  }

  private func nowNs() -> UInt64 {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    return UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec)
  }
}

/// A thread to be joined.
private final class Worker {
  private final class Body {
    let run: () -> Void
    init(_ run: @escaping () -> Void) { self.run = run }
  }
  private var thread = pthread_t()

  init(_ run: @escaping () -> Void) {
    pthread_create(
      &thread, nil,
      { argument in
        Unmanaged<Body>.fromOpaque(argument!).takeRetainedValue().run()
        return nil
      }, Unmanaged.passRetained(Body(run)).toOpaque())
  }

  func join() { pthread_join(thread, nil) }
}
