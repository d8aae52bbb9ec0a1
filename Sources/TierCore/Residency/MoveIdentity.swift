/// What a move under way carries, and over which link.
public struct MoveIdentity: Sendable, Hashable {
  public let key: BlockKey
  public let link: MoveLink
  public let bytes: Int

  public init(key: BlockKey, link: MoveLink, bytes: Int) {
    self.key = key
    self.link = link
    self.bytes = bytes
  }
}

extension ResidencyCore {
  /// For whoever watches; nil where no such move is under way.
  public func identity(of id: MoveID) -> MoveIdentity? {
    guard let move = moves.find(id) else { return nil }
    let (handle, link): (BlockHandle, MoveLink) =
      switch move {
      case .ingest(let handle, let tier, _, _, _): (handle, tier == .device ? .workerToDevice : .workerToHost)
      case .promote(let handle): (handle, .hostToDevice)
      case .demote(let handle): (handle, .deviceToHost)
      case .write(let handle): (handle, .hostToDisk)
      case .read(let handle, _): (handle, .diskToHost)
      }
    let block = directory[handle]
    return MoveIdentity(key: block.key, link: link, bytes: block.layout.payloadBytes)
  }
}
