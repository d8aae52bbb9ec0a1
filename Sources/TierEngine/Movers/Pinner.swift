import Synchronization
import TierMemory

/// Brings memory in that is to be there as a whole, one arena after the other, on a thread that begins with the first.
final class Pinner: Sendable {
  private struct State {
    var queue: WorkQueue<HostMemory>?
    var thread: EngineThread?
    var isStopped = false
  }
  private let state = Mutex(State())

  /// From here on it is wanted; `HostMemory.unpin` ends that at any time.
  func pin(_ memory: HostMemory) {
    memory.wantPinned()
    state.withLock { state in
      guard !state.isStopped else { return }
      let queue = state.queue ?? WorkQueue<HostMemory>()
      if state.thread == nil {
        state.queue = queue
        state.thread = EngineThread(name: "pin") {
          while let memories = queue.pop(atMost: 1) {
            for memory in memories { memory.pin() }
            queue.finish(memories.count)
          }
        }
      }
      queue.push(memory)
    }
  }

  func stop() {
    let (queue, thread) = state.withLock { state in
      state.isStopped = true
      defer { (state.queue, state.thread) = (nil, nil) }
      return (state.queue, state.thread)
    }
    queue?.close()
    thread?.join()
  }
}
