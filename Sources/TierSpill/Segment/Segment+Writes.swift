// Extents are handed out at the segment's end, written at the same time and end in any order. A sync vouches for the
// writes that had ended when it began, wherever they lie: one that is still under way leaves a hole, which recovery
// passes over. Under `SpillState`'s lock.
extension Segment {
  /// End of what has been written without a hole.
  var completedExtent: Int { openExtents.first ?? writtenExtent }

  /// Hands out the next `bytes`, to be written by one operation. Answers where they start.
  func beginWrite(bytes: Int) -> Int {
    let start = writtenExtent
    openExtents.append(start)
    writtenExtent += bytes
    return start
  }

  /// The operation on the extent that starts there ended well. Answers its number: it is durable once so many are synced.
  func endWrite(at start: Int) -> Int {
    openExtents.removeAll { $0 == start }
    endedWrites += 1
    return endedWrites
  }

  /// What a sync that begins now vouches for.
  struct SyncTarget {
    let writes: Int
    let extent: Int
  }

  var syncTarget: SyncTarget { SyncTarget(writes: endedWrites, extent: completedExtent) }

  func didSync(_ target: SyncTarget) {
    syncedWrites = max(syncedWrites, target.writes)
    durableExtent = max(durableExtent, target.extent)
  }
}
