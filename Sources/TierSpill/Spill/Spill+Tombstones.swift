import Synchronization
import TierCore

extension Spill {
  /// Notes on disk which blocks are dead. Behind the keeper's gate. What cannot be written stays pending: a crash may
  /// bring those blocks back, with their own bytes.
  func writeTombstones() {
    let due = state.withLock { state -> [Tombstone] in
      if !state.tombstones.pending.isEmpty {
        let segments = state.segments
        state.tombstones.prune { segments[$0].map { !$0.isUnlinked } ?? false }
      }
      return state.tombstones.takePending()
    }
    guard !due.isEmpty else { return }
    do throws(SpillError) {
      if try !appendTombstones(due) { try rewriteTombstones(with: due) }
      state.withLock { $0.tombstones.didWrite(due) }
    } catch {
      state.withLock { state in
        state.tombstones.giveBack(due)
        if error.isOfTheDisk { state.writeFault = error }
      }
    }
  }

  /// Into the units of the file that are free. False where there are too few, or no file.
  private func appendTombstones(_ due: [Tombstone]) throws(SpillError) -> Bool {
    guard let book = keeper.book else { return false }
    let units = TombstoneBook.units(due.count, alignBytes: disk.alignBytes)
    guard book.usedUnits + units <= book.units else { return false }
    do throws(SpillError) {
      try write(due, to: book.file, firstUnit: book.usedUnits, units: units)
    } catch {
      // What is in those units now is not known: the file is written anew.
      keeper.dropBook()
      throw error
    }
    keeper.book?.usedUnits += units
    return true
  }

  /// A new file with what is still needed, in place of the old.
  private func rewriteTombstones(with due: [Tombstone]) throws(SpillError) {
    let needed = state.withLock { state -> [Tombstone] in
      let segments = state.segments
      state.tombstones.prune { segments[$0].map { !$0.isUnlinked } ?? false }
      return state.tombstones.kept.subtracting(due) + due
    }
    let used = TombstoneBook.units(needed.count, alignBytes: disk.alignBytes)
    let units = max(TombstoneBook.leastBytes / disk.alignBytes, 2 * used)
    let bytes = units * disk.alignBytes
    let isAllowed = state.withLock { state in
      // The space in which records are moved stays free.
      guard state.usedBytes + bytes + state.segmentBytes <= max(state.capBytes, state.ceilingBytes) else {
        return false
      }
      state.fileBytes += bytes
      return true
    }
    guard isAllowed else { throw .busy(waitedMs: 0) }
    let unfinished = TombstoneUnit.fileName + ".new"
    var name = unfinished
    do throws(SpillError) {
      let file = try disk.create(unfinished, bytes: bytes)
      do throws(SpillError) {
        try write(needed, to: file, firstUnit: 0, units: used)
        let old = try? size(of: TombstoneUnit.fileName)
        try disk.rename(unfinished, to: TombstoneUnit.fileName)
        name = TombstoneUnit.fileName
        keeper.dropBook()
        try settleOld(old ?? 0, unfinished)
      } catch {
        file.close()
        throw error
      }
      keeper.book = TombstoneBook(file: file, units: units, usedUnits: used)
    } catch {
      if name == unfinished {
        state.withLock { $0.leftovers.append(Leftover(name: unfinished, bytes: bytes, segment: nil)) }
        removeRetired()
      }
      throw error
    }
  }

  /// The old file's space is free once the directory is synced; until then it counts.
  private func settleOld(_ bytes: Int, _ name: String) throws(SpillError) {
    do throws(SpillError) {
      try disk.syncDirectory()
      state.withLock { $0.fileBytes -= bytes }
    } catch {
      state.withLock { $0.leftovers.append(Leftover(name: name, bytes: bytes, segment: nil)) }
      throw error
    }
  }

  private func size(of name: String) throws(SpillError) -> Int {
    let file = try disk.open(name, alignBytes: disk.alignBytes)
    defer { file.close() }
    return try file.status().bytes
  }

  private func write(
    _ tombstones: [Tombstone], to file: any SpillFile, firstUnit: Int, units: Int
  ) throws(SpillError) {
    let (align, capacity) = (disk.alignBytes, TombstoneUnit.capacity(alignBytes: disk.alignBytes))
    guard units > 0 else { return }
    try lanes.withLane(bytes: units * align) { lane throws(SpillError) in
      for unit in 0..<units {
        TombstoneUnit.encode(
          tombstones[unit * capacity..<min((unit + 1) * capacity, tombstones.count)], store: store,
          number: firstUnit + unit, into: lane.bytes(unit * align..<(unit + 1) * align))
      }
      try lane.write(0..<units * align, to: file, at: firstUnit * align, deadlineMs: options.deadlineMs)
      try lane.sync(file, deadlineMs: options.deadlineMs)
    }
  }
}

/// The open file of tombstones. Behind the keeper's gate.
struct TombstoneBook {
  let file: any SpillFile
  let units: Int
  var usedUnits: Int

  static let leastBytes = 16 << 10

  static func units(_ tombstones: Int, alignBytes: Int) -> Int {
    let capacity = TombstoneUnit.capacity(alignBytes: alignBytes)
    return (tombstones + capacity - 1) / capacity
  }
}
