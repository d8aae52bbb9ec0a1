import CLinux
import Glibc
import Synchronization

/// One memory file of the host tier, where it lies, and what keeps it in memory.
///
/// It is bound to its node before its first page is touched, and locked (pages stay once they have come). `pin` brings all of
/// it in, on threads of the node, and registers it with the device, where there is one; `unpin` takes that back.
public final class HostMemory: Sendable {
  /// What is registered at once.
  public static let extentBytes = 256 << 20
  /// Brought in between two looks at whether it is still wanted.
  private static let stepBytes = 8 << 20

  public let file: MemoryFile
  /// The node its pages come from; nil where that does not matter.
  public let node: Int?
  private let system: HostMemorySystem
  private let isWanted = Atomic<Bool>(false)
  private let state: Mutex<State>

  private struct State {
    var use: HostMemoryUse
    var isPinned = false
    /// Offsets of registered extents.
    var registered: [Range<Int>] = []
  }

  init(file: MemoryFile, node: Int?, use: HostMemoryUse, system: HostMemorySystem) {
    (self.file, self.node, self.system) = (file, node, system)
    state = Mutex(State(use: use))
  }

  deinit { unpin() }

  /// How it is kept in memory now.
  public var use: HostMemoryUse { state.withLock { $0.use } }

  /// All of it is in memory, as it was last asked for.
  public var isPinned: Bool { state.withLock { $0.isPinned } }

  /// Says that all of it is to be in memory: `pin` works for as long as that holds.
  public func wantPinned() { isWanted.store(true, ordering: .releasing) }

  /// Brings all of it into memory and registers it. Ends early where `unpin` is called meanwhile.
  public func pin() {
    state.withLock { state in
      guard !state.isPinned, populate() else { return }
      state.isPinned = true
      if system.measuresPages { state.use.hugeBytes = file.hugeBytes() ?? state.use.hugeBytes }
      register(&state)
    }
  }

  /// Every page, in parts at once. False where it is not wanted any more, or the node has no more memory.
  private func populate() -> Bool {
    let cpus = system.cpus(near: node)
    let threads = max(1, min(system.threadsPerNode, cpus.isEmpty ? 1 : cpus.count, file.sizeBytes / Self.stepBytes))
    let steps = (file.sizeBytes + Self.stepBytes - 1) / Self.stepBytes
    let progress = PopulateProgress()
    NodeThreads.concurrently(threads, on: cpus) { [self] _ in
      while isWanted.load(ordering: .acquiring), let step = progress.next(of: steps) {
        let offset = step * Self.stepBytes
        if tierd_populate(file.base + offset, min(Self.stepBytes, file.sizeBytes - offset)) != 0 {
          progress.fail(errno)
        }
      }
    }
    let code = progress.failure
    if code != 0 { system.note(.cannotPopulate(node: node, errno: code)) }
    return code == 0 && isWanted.load(ordering: .acquiring)
  }

  private func register(_ state: inout State) {
    guard let registrar = system.registrar else { return }
    for offset in stride(from: 0, to: file.sizeBytes, by: Self.extentBytes) {
      let bytes = min(Self.extentBytes, file.sizeBytes - offset)
      do throws(HostRegistrarFault) {
        try registrar.register(file.base + offset, bytes: bytes)
        state.registered.append(offset..<offset + bytes)
        state.use.registeredBytes += bytes
      } catch { system.note(.cannotRegister(error.message)) }
    }
  }

  /// Its pages may be given back from here on.
  public func unpin() {
    isWanted.store(false, ordering: .releasing)
    state.withLock { state in
      for range in state.registered {
        system.registrar?.unregister(file.base + range.lowerBound, bytes: range.count)
      }
      state.registered = []
      state.use.registeredBytes = 0
      state.isPinned = false
    }
  }

  /// Gives the pages of a range back to the system. Not of registered memory: that would give nothing back.
  public func decommit(offset: Int, count: Int) throws(MemoryError) {
    let isFree = state.withLock { state in
      !state.registered.contains { $0.overlaps(offset..<offset + count) }
    }
    precondition(isFree, "memory is unregistered before it is given back")
    try file.decommit(offset: offset, count: count)
  }
}

/// Which steps are done, and what went wrong, shared by the threads that do them.
private final class PopulateProgress: Sendable {
  private let taken = Atomic<Int>(0)
  private let code = Atomic<Int32>(0)

  var failure: Int32 { code.load(ordering: .relaxed) }

  /// Nil once there are no more, or one has failed.
  func next(of steps: Int) -> Int? {
    guard failure == 0 else { return nil }
    let step = taken.add(1, ordering: .relaxed).oldValue
    return step < steps ? step : nil
  }

  func fail(_ errno: Int32) { code.store(errno, ordering: .relaxed) }
}

/// How a file is kept in memory.
public struct HostMemoryUse: Sendable, Equatable {
  /// What is in memory of it stays there.
  public var isLocked = false
  /// Known to the device.
  public var registeredBytes = 0
  /// Of one page; huge pages of the system's reserve have another size than its own.
  public var pageBytes = 4096
  /// Of what is in memory, in huge pages, where those come in by themselves.
  public var hugeBytes = 0

  public init() {}
}
