import TierSpill

/// The lanes of a simulated disk: operations take effect when they are submitted, or, where they are slow, after others,
/// or after their deadline. A slow one uses the lane's buffer as it is then: one used again too soon is found out.
final class SimulatedEngine: IOEngine {
  let name = "simulated"
  private let disk: SimulatedDisk

  init(disk: SimulatedDisk) { self.disk = disk }

  func makeLane() throws(SpillError) -> any IOLane { SimulatedLane(disk: disk) }
}

private final class SimulatedLane: IOLane {
  private struct Operation {
    let kind: IOKind
    let file: SimulatedFile
    let offset: Int
    let range: Range<Int>
    let tag: Int
  }

  private let disk: SimulatedDisk
  private var memory = AlignedBuffer(bytes: 64 << 10)!
  private var ended: [IOCompletion] = []
  private var slow: [Operation] = []
  private var hasGivenUp = false

  init(disk: SimulatedDisk) { self.disk = disk }

  var buffer: UnsafeMutableRawBufferPointer { memory.bytes }
  var inFlight: Int { ended.count + slow.count }

  func reserve(_ bytes: Int) throws(SpillError) {
    precondition(inFlight == 0, "a buffer in use does not move")
    if bytes > memory.bytes.count { memory = AlignedBuffer(bytes: bytes)! }
  }

  func submit(_ kind: IOKind, _ file: any SpillFile, at offset: Int, _ range: Range<Int>, tag: Int) {
    precondition(inFlight < IOLimits.depth, "a lane's depth is bounded")
    guard let file = file as? SimulatedFile else { preconditionFailure("a file of this disk") }
    let operation = Operation(kind: kind, file: file, offset: offset, range: range, tag: tag)
    if disk.isSlow() { slow.append(operation) } else { ended.append(carryOut(operation)) }
  }

  func next(untilNs: UInt64) -> IOCompletion? {
    if !ended.isEmpty { return ended.removeFirst() }
    guard !slow.isEmpty else { return nil }
    // Whoever only asks whether something has ended meanwhile may hold locks.
    if untilNs > 0, slow.contains(where: { $0.kind == .write }), let interlude = disk.interlude {
      disk.interlude = nil
      interlude()
    }
    // Once an operation has been given up, its lane is only asked now and then whether it has ended.
    if disk.chance(hasGivenUp ? 4 : 2) {
      hasGivenUp = hasGivenUp && slow.count > 1
      return carryOut(slow.remove(at: disk.pick(slow.count)))
    }
    hasGivenUp = true
    return nil
  }

  private func carryOut(_ operation: Operation) -> IOCompletion {
    let (file, bytes) = (operation.file, bytes(operation.range))
    do throws(SpillError) {
      switch operation.kind {
      case .read:
        let got = try disk.read(file.node, at: operation.offset, count: bytes.count, file.name)
        bytes.copyBytes(from: got)
        return IOCompletion(tag: operation.tag, result: got.count)
      case .write:
        try disk.write(Array(bytes), to: file.node, at: operation.offset, file.name)
        return IOCompletion(tag: operation.tag, result: bytes.count)
      case .sync:
        try disk.sync(file.node, file.name)
        return IOCompletion(tag: operation.tag, result: 0)
      }
    } catch {
      return IOCompletion(tag: operation.tag, result: -5)
    }
  }
}

extension SimulatedDisk {
  func isSlow() -> Bool { (try? locked { strikes(faults.slow) }) ?? false }
  func chance(_ oneIn: Int) -> Bool { pick(oneIn) == 0 }
  func pick(_ count: Int) -> Int { (try? locked { random.next(below: count) }) ?? 0 }
}
