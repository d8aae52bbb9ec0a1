/// The blocks that a sliding or chunked layer reads, in the worker's own memory, while a sequence is read again from where
/// the store has let them go. As many as the layer's reach has, and one.
final class LocalWindow {
  private(set) var blocks: [(index: Int, bytes: AlignedBuffer)] = []

  /// Takes a block's bytes, index after index.
  func append(_ index: Int, _ bytes: AlignedBuffer) { blocks.append((index, bytes)) }

  /// Lets go of the blocks before `first`.
  func drop(before first: Int) { blocks.removeAll { $0.index < first } }
}
