/// Keeps descriptors of memory beyond the daemon's life: a service manager.
public protocol MemoryKeeper: Sendable {
  /// Keeps a duplicate of the descriptor under the name until it is dropped.
  func keep(_ descriptor: Int32, name: String)
  func drop(name: String)
}

/// A descriptor that was kept, and is now the store's to close.
public struct KeptDescriptor: Sendable {
  public let name: String
  public let descriptor: Int32

  public init(name: String, descriptor: Int32) {
    self.name = name
    self.descriptor = descriptor
  }
}

/// The three files of an arena, by the names they are kept under.
struct ArenaFileNames {
  let data: String
  let generations: String
  let records: String

  static let prefix = "tierd-arena-"

  init(_ arena: String) {
    (data, generations, records) = (arena + "-data", arena + "-generations", arena + "-records")
  }

  var all: [String] { [data, generations, records] }
}
