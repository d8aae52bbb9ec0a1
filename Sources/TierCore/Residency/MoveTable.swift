/// The moves under way, by id. Ids only grow; an id's place is its remainder by the table's size, and ids whose place is
/// taken by a move that is still under way are left out.
struct MoveTable {
  private var places: [(id: UInt64, move: Move)?] = Array(repeating: nil, count: 64)
  private var last: UInt64 = 0
  private(set) var count = 0

  mutating func add(_ move: Move) -> MoveID {
    if count * 2 >= places.count { grow() }
    repeat { last += 1 } while places[place(last)] != nil
    places[place(last)] = (last, move)
    count += 1
    return MoveID(last)
  }

  /// Nil where it is not under way.
  func find(_ id: MoveID) -> Move? {
    guard let entry = places[place(id.rawValue)], entry.id == id.rawValue else { return nil }
    return entry.move
  }

  mutating func remove(_ id: MoveID) -> Move? {
    guard let entry = places[place(id.rawValue)], entry.id == id.rawValue else { return nil }
    places[place(id.rawValue)] = nil
    count -= 1
    return entry.move
  }

  private func place(_ id: UInt64) -> Int { Int(id & UInt64(places.count - 1)) }

  /// Different remainders by a size are different by its double.
  private mutating func grow() {
    let old = places
    places = Array(repeating: nil, count: 2 * old.count)
    for case let entry? in old { places[place(entry.id)] = entry }
  }
}
