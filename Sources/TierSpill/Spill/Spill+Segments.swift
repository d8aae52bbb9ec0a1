import Synchronization
import TierCore

extension Spill {
  /// A new segment: its space is counted before it is taken, its header and its name are durable before it is used.
  /// With the appender's lock.
  func createSegment() throws(SpillError) -> Segment {
    let header = state.withLock { state in
      defer {
        state.nextSegment += 1
        state.fileBytes += state.segmentBytes
      }
      return SegmentHeader(
        store: store, number: state.nextSegment, segmentBytes: state.segmentBytes, alignBytes: disk.alignBytes)
    }
    let unfinished = SegmentName.unfinished(header.number)
    let file: any SpillFile
    do throws(SpillError) {
      file = try disk.create(unfinished, bytes: header.segmentBytes)
    } catch {
      state.withLock { state in
        state.fileBytes -= header.segmentBytes
        state.lastError = error
      }
      throw error
    }
    var name = unfinished
    do throws(SpillError) {
      let bytes = UnsafeMutableRawBufferPointer(rebasing: appender.headerBuffer.bytes[..<header.alignBytes])
      bytes.initializeMemory(as: UInt8.self, repeating: 0)
      header.encode(into: bytes)
      try file.write(UnsafeRawBufferPointer(bytes), at: 0)
      try file.syncData()
      try disk.rename(unfinished, to: SegmentName.of(header.number))
      name = SegmentName.of(header.number)
      try disk.syncDirectory()
    } catch {
      file.close()
      abandon(Leftover(name: name, bytes: header.segmentBytes, segment: nil), error)
      throw error
    }
    let segment = Segment(header: header, file: file, fileBytes: header.segmentBytes, extent: header.alignBytes)
    state.withLock { $0.segments[header.number] = segment }
    return segment
  }

  private func abandon(_ leftover: Leftover, _ error: SpillError) {
    state.withLock { state in
      state.leftovers.append(leftover)
      state.lastError = error
    }
    retryRemovals()
  }

  /// Ends the open segment and gives its unused space back. With the appender's lock.
  func sealOpenSegment() {
    guard let segment = appender.segment else { return }
    appender.segment = nil
    let extent = state.withLock { _ in
      segment.isSealed = true
      return segment.condemned == nil ? segment.writtenExtent : segment.fileBytes
    }
    guard extent < segment.fileBytes else { return }
    do throws(SpillError) {
      try segment.file.truncate(to: extent)
      state.withLock { state in
        state.fileBytes -= segment.fileBytes - extent
        segment.fileBytes = extent
      }
    } catch {
      // The space stays counted; the records are not concerned.
      state.withLock { $0.lastError = error }
    }
  }

  /// Removes the files of segments just retired.
  func remove(_ segments: [Segment]) {
    guard !segments.isEmpty else { return }
    state.withLock { state in
      state.leftovers += segments.map { segment in
        Leftover(name: SegmentName.of(segment.number), bytes: segment.fileBytes, segment: segment)
      }
    }
    retryRemovals()
  }

  /// Removes what is to be removed. What fails stays counted and is tried again later.
  func retryRemovals() {
    let pending = state.withLock { state in
      defer { state.leftovers = [] }
      return state.leftovers
    }
    guard !pending.isEmpty else { return }
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
    settle(removed: removed, kept: kept, failure)
  }

  private func settle(removed: [Leftover], kept: [Leftover], _ failure: SpillError?) {
    state.withLock { state in
      state.leftovers += kept
      if let failure { state.lastError = failure }
      for leftover in removed {
        if let segment = leftover.segment {
          segment.isUnlinked = true
        } else {
          state.fileBytes -= leftover.bytes
        }
      }
    }
    for leftover in removed { if let segment = leftover.segment { closeIfUnused(segment) } }
  }

  /// Closes the file of an unlinked segment nobody reads: only then is its space free.
  func closeIfUnused(_ segment: Segment) {
    let last = state.withLock { state in
      let isOver = segment.isUnlinked || state.isClosed
      guard isOver, segment.readers == 0, segment.writers == 0, state.segments[segment.number] != nil else {
        return false
      }
      state.segments[segment.number] = nil
      return true
    }
    guard last else { return }
    segment.file.close()
    state.withLock { state in
      state.fileBytes -= segment.fileBytes
      if state.usedBytes <= state.capBytes { state.ceilingBytes = state.capBytes }
    }
    freed.lock()
    freed.broadcast()
    freed.unlock()
  }
}
