/// Which copies may be evicted, in an order that makes the farthest next use cheap to find.
///
/// A copy stands in a list while it is resident, kept, not leased and not being read. Lists are keyed by (tier, clean or
/// dirty, group, layer): a group is a sequence, or an idle one for blocks whose next use nobody knows, which stand in two
/// rows (`ClassicPolicy.swift`). Tenants with limits have an idle group of their own, the others share one. Links live in
/// the copies themselves, so every operation is O(1).
struct EvictionLists {
  /// Of all tenants without limits.
  static let idle: Int32 = 0
  /// Rows of the idle group.
  static let probation = 0
  static let proven = 1

  private struct Head {
    var first: BlockHandle = -1
    var last: BlockHandle = -1
    var count = 0
  }
  private struct Group {
    var base: Int32
    var layers: Int32
  }
  /// Lists of one layer: device clean, device dirty, host clean, host dirty.
  private static let perLayer: Int32 = 4

  private var heads: [Head] = []
  private var groups = IDTable<Int32, Group>()
  private var freeBases: [Int32: [Int32]] = [:]
  private var nextGroup: Int32 = 1
  private(set) var idleGroups = [EvictionLists.idle]

  init() { groups.append(Group(base: allocate(layers: 2), layers: 2), as: Self.idle) }

  private mutating func allocate(layers: Int32) -> Int32 {
    if let base = freeBases[layers]?.popLast() { return base }
    let base = Int32(heads.count)
    heads.append(contentsOf: repeatElement(Head(), count: Int(layers * Self.perLayer)))
    return base
  }

  mutating func addGroup(layers: Int) -> Int32 {
    let id = nextGroup
    nextGroup += 1
    groups.append(Group(base: allocate(layers: Int32(layers)), layers: Int32(layers)), as: id)
    return id
  }

  mutating func addIdleGroup() -> Int32 {
    let group = addGroup(layers: 2)
    idleGroups.append(group)
    return group
  }

  func isIdle(_ group: Int32) -> Bool { group == Self.idle || (idleGroups.count > 1 && idleGroups.contains(group)) }

  /// The group's lists must be empty.
  mutating func removeGroup(_ id: Int32) {
    guard let group = groups.remove(id) else { return }
    for list in group.base..<(group.base + group.layers * Self.perLayer) {
      precondition(heads[Int(list)].first < 0, "a closed sequence owns no copies")
    }
    freeBases[group.layers, default: []].append(group.base)
  }

  func list(_ tier: Tier, clean: Bool, group id: Int32, layer: Int) -> Int32 {
    let group = groups[existing: id]
    precondition(layer < group.layers, "the layer is one of the sequence's")
    return group.base + Int32(layer) * Self.perLayer + (tier == .device ? 0 : 2) + (clean ? 0 : 1)
  }

  /// The list that the block's copy on the tier belongs to; -1 where it is not to be evicted.
  func list(of block: Block, on tier: Tier, computeTier: Tier) -> Int32 {
    let copy = block[tier]
    guard copy.state == .resident, copy.role == .kept, copy.readers == 0, tier != computeTier || block.leases == 0
    else { return -1 }
    let unplannedRow = block.isProven ? Self.proven : Self.probation
    let row = isIdle(block.group) ? unplannedRow : Int(block.key.layer)
    return list(tier, clean: block.isClean(on: tier), group: block.group, layer: row)
  }

  /// The copy to leave first; nil if the list is empty.
  func first(_ list: Int32) -> BlockHandle? {
    let first = heads[Int(list)].first
    return first < 0 ? nil : first
  }

  /// A copy of an idle group, on probation if there is one.
  func firstUnplanned(_ tier: Tier, clean: Bool, group: Int32) -> BlockHandle? {
    first(list(tier, clean: clean, group: group, layer: Self.probation))
      ?? first(list(tier, clean: clean, group: group, layer: Self.proven))
  }

  func count(_ list: Int32) -> Int { heads[Int(list)].count }

  mutating func append(_ handle: BlockHandle, _ tier: Tier, to list: Int32, in directory: inout Directory) {
    let last = heads[Int(list)].last
    directory[handle][tier].list = list
    directory[handle][tier].previous = last
    directory[handle][tier].next = -1
    if last < 0 { heads[Int(list)].first = handle } else { directory[last][tier].next = handle }
    heads[Int(list)].last = handle
    heads[Int(list)].count += 1
  }

  mutating func remove(_ handle: BlockHandle, _ tier: Tier, in directory: inout Directory) {
    let copy = directory[handle][tier]
    guard copy.list >= 0 else { return }
    heads[Int(copy.list)].count -= 1
    if copy.previous < 0 {
      heads[Int(copy.list)].first = copy.next
    } else {
      directory[copy.previous][tier].next = copy.next
    }
    if copy.next < 0 {
      heads[Int(copy.list)].last = copy.previous
    } else {
      directory[copy.next][tier].previous = copy.previous
    }
    directory[handle][tier].list = -1
  }
}
