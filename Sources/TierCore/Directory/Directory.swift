/// Every block that a sequence names or a tier holds, by key and by handle.
struct Directory {
  private(set) var blocks: [Block] = []
  private var byKey: [BlockKey: BlockHandle] = [:]
  private var freeHandles: [BlockHandle] = []

  var count: Int { byKey.count }

  subscript(handle: BlockHandle) -> Block {
    _read { yield blocks[Int(handle)] }
    _modify { yield &blocks[Int(handle)] }
  }

  func find(_ key: BlockKey) -> BlockHandle? { byKey[key] }

  /// The block's handle, new if need be. Nil if the key is known with another layout: it is not the same bytes.
  /// `group`: where a new one stands that nobody uses.
  mutating func intern(_ key: BlockKey, _ layout: BlockLayout, group: Int32) -> BlockHandle? {
    if let handle = byKey[key] { return self[handle].layout == layout ? handle : nil }
    let block = Block(key: key, layout: layout, group: group)
    let handle: BlockHandle
    if let free = freeHandles.popLast() {
      handle = free
      blocks[Int(free)] = block
    } else {
      handle = BlockHandle(blocks.count)
      blocks.append(block)
    }
    byKey[key] = handle
    return handle
  }

  /// Forgets a block that nobody names and no tier holds.
  mutating func removeIfUnused(_ handle: BlockHandle) {
    guard blocks[Int(handle)].isUnused else { return }
    let key = blocks[Int(handle)].key
    // A handle forgotten already is not forgotten twice.
    guard byKey[key] == handle else { return }
    byKey[key] = nil
    freeHandles.append(handle)
  }

  /// Handles in use, in no particular order that a caller may rely on.
  var handles: [BlockHandle] { byKey.values.sorted() }
}
