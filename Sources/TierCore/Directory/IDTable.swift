/// Values under ids that only grow: few, found by a binary search, walked in the order of their ids.
///
/// The core looks sequences and arenas up for every block it touches; hashing would be most of what that costs.
struct IDTable<ID: Comparable, Value> {
  private(set) var ids: [ID] = []
  private(set) var values: [Value] = []

  var isEmpty: Bool { ids.isEmpty }

  /// Ids are given once, in ascending order.
  mutating func append(_ value: Value, as id: ID) {
    precondition(ids.last.map { $0 < id } ?? true, "ids only grow")
    ids.append(id)
    values.append(value)
  }

  mutating func remove(_ id: ID) -> Value? {
    guard let index = index(of: id) else { return nil }
    ids.remove(at: index)
    return values.remove(at: index)
  }

  subscript(id: ID) -> Value? {
    guard let index = index(of: id) else { return nil }
    return values[index]
  }

  /// The value of an id that is known to be there, in place.
  subscript(existing id: ID) -> Value {
    _read { yield values[known(id)] }
    _modify { yield &values[known(id)] }
  }

  private func known(_ id: ID) -> Int {
    guard let index = index(of: id) else { preconditionFailure("the id is in the table") }
    return index
  }

  private func index(of id: ID) -> Int? {
    var low = 0
    var high = ids.count
    while low < high {
      let middle = (low + high) / 2
      if ids[middle] < id { low = middle + 1 } else { high = middle }
    }
    return low < ids.count && ids[low] == id ? low : nil
  }
}
