import Synchronization
import TierCore

// Making, sealing and removing segment files: the keeper's work, behind its gate.
extension Spill {
  /// A new segment; nil where the cap has no room. Its space is counted before it is taken, its header and its name are
  /// durable before it is used.
  func createSegment(moving: Bool) throws(SpillError) -> Segment? {
    let header = state.withLock { state -> SegmentHeader? in
      guard state.creatableSegments(moving: moving) > 0, !state.isClosed else { return nil }
      defer {
        state.nextSegment += 1
        state.fileBytes += state.segmentBytes
      }
      return SegmentHeader(
        store: store, number: state.nextSegment, segmentBytes: state.segmentBytes,
        firstGeneration: state.nextGeneration, alignBytes: disk.alignBytes)
    }
    guard let header else { return nil }
    let unfinished = SegmentName.unfinished(header.number)
    let file: any SpillFile
    do throws(SpillError) {
      file = try disk.create(unfinished, bytes: header.segmentBytes)
    } catch {
      state.withLock { state in
        state.fileBytes -= header.segmentBytes
        state.writeFault = error
      }
      throw error
    }
    var name = unfinished
    do throws(SpillError) {
      try writeHeader(header, to: file)
      try disk.rename(unfinished, to: SegmentName.of(header.number))
      name = SegmentName.of(header.number)
      try disk.syncDirectory()
    } catch {
      file.close()
      state.withLock { state in
        state.leftovers.append(Leftover(name: name, bytes: header.segmentBytes, segment: nil))
        state.writeFault = error
      }
      throw error
    }
    let segment = Segment(header: header, file: file, fileBytes: header.segmentBytes, extent: header.alignBytes)
    state.withLock { $0.segments[header.number] = segment }
    return segment
  }

  private func writeHeader(_ header: SegmentHeader, to file: any SpillFile) throws(SpillError) {
    try lanes.withLane(bytes: header.alignBytes) { lane throws(SpillError) in
      let bytes = lane.bytes(0..<header.alignBytes)
      bytes.initializeMemory(as: UInt8.self, repeating: 0)
      header.encode(into: bytes)
      try lane.write(0..<header.alignBytes, to: file, at: 0, deadlineMs: options.deadlineMs)
      try lane.sync(file, deadlineMs: options.deadlineMs)
    }
  }

  /// Seals every full segment that nobody writes to any more. Whether there was one.
  @discardableResult
  func sealFull() -> Bool {
    let pins = SegmentPins(self)
    let due = state.withLock { state in
      let due = state.segments.values.filter {
        $0.needsFooter && $0.writers == 0 && $0.condemned == nil && !$0.isRetired
      }
      for segment in due {
        segment.needsFooter = false
        pins.add(segment)
      }
      return due
    }
    for segment in due.sorted(by: { $0.number < $1.number }) { seal(segment) }
    pins.release()
    return !due.isEmpty
  }

  /// Ends a full segment with its footer and gives its unused space back.
  private func seal(_ segment: Segment) {
    // What the footer names is durable before the footer can be read. Nobody writes any more (`writers`): all has ended.
    if commit(segment, writes: state.withLock({ _ in segment.endedWrites })) != nil { return }
    let footer = state.withLock { _ in
      SegmentFooter(
        store: store, segment: segment.number, alignBytes: segment.header.alignBytes, extent: segment.writtenExtent,
        highestGeneration: segment.entries.reduce(0) { max($0, $1.generation) }, entries: segment.entries)
    }
    let pins = SegmentPins(self)
    state.withLock { _ in pins.add(segment) }
    let end = footer.extent + footer.fileBytes
    do throws(SpillError) {
      try lanes.withLane(bytes: footer.fileBytes, pins: pins) { lane throws(SpillError) in
        try footer.write(to: segment.file, lane, deadlineMs: options.deadlineMs)
        if end < segment.fileBytes { try segment.file.truncate(to: end) }
        try lane.sync(segment.file, deadlineMs: options.deadlineMs)
      }
      state.withLock { state in
        state.fileBytes -= segment.fileBytes - end
        segment.fileBytes = end
        segment.entries = []
      }
    } catch {
      condemn(segment, error)
    }
  }

  /// Removes the files of retired segments, and closes those that nobody reads any more: only then is their space free.
  /// What fails stays counted and is tried again. Whether anything was done.
  @discardableResult
  func removeRetired() -> Bool {
    let pending = state.withLock { state in
      defer { state.leftovers = [] }
      return state.leftovers
    }
    var failure: SpillError?
    var removed: [Leftover] = []
    var kept: [Leftover] = []
    for leftover in pending {
      do throws(SpillError) {
        try disk.remove(leftover.name)
        removed.append(leftover)
      } catch {
        if error.isMissingFile {
          removed.append(leftover)
        } else {
          failure = error
          kept.append(leftover)
        }
      }
    }
    do throws(SpillError) {
      if !removed.isEmpty { try disk.syncDirectory() }
    } catch {
      // Whether the names are gone for good is not known: the space stays counted until it is.
      failure = error
      kept += removed
      removed = []
    }
    state.withLock { state in
      state.leftovers += kept
      if let failure { state.writeFault = failure }
      for leftover in removed {
        if let segment = leftover.segment {
          segment.isUnlinked = true
        } else {
          state.fileBytes -= leftover.bytes
        }
      }
    }
    let closed = closeUnused()
    return closed || !removed.isEmpty
  }

  private func closeUnused() -> Bool {
    let unused = state.withLock { state in
      let unused = state.segments.values.filter { $0.isUnlinked && $0.isIdle }
      for segment in unused { state.segments[segment.number] = nil }
      return unused
    }
    for segment in unused { segment.file.close() }
    state.withLock { state in
      for segment in unused { state.fileBytes -= segment.fileBytes }
      if state.usedBytes <= state.capBytes { state.ceilingBytes = state.capBytes }
    }
    return !unused.isEmpty
  }
}
