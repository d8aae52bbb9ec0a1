import CLinux
import Glibc
import Synchronization
import TierCore

/// The connections there are, counted against their limits, and their threads.
final class ConnectionRegistry: Sendable {
  private let host: any SessionHost
  private let store: StoreInstance
  private let limits: WorkerServer.Limits
  private let report: @Sendable (String) -> Void
  private let state = Mutex(State())

  private struct Entry {
    let uid: UInt32
    let socket: FrameSocket
    var thread: SystemThread?
  }

  private struct State {
    var entries: [UInt64: Entry] = [:]
    var perUser: [UInt32: Int] = [:]
    var nextID: UInt64 = 0
    /// Threads at their end, to be joined.
    var finished: [SystemThread] = []
  }

  init(
    host: any SessionHost, store: StoreInstance, limits: WorkerServer.Limits,
    report: @escaping @Sendable (String) -> Void
  ) {
    self.host = host
    self.store = store
    self.limits = limits
    self.report = report
  }

  var count: Int { state.withLock { $0.entries.count } }

  /// Serves a new connection on a thread of its own, or refuses it. Called by one thread.
  func admit(_ socket: FrameSocket) {
    joinFinished()
    var peer = tierd_peer()
    guard tierd_peer_credentials(socket.descriptor, &peer) == 0 else {
      return refuse(socket, "its credentials cannot be read: \(errorText(errno))")
    }
    let (id, full) = state.withLock { state in register(socket, peer.uid, &state) }
    guard let id else { return refuse(socket, full) }
    let connection = ServedConnection(
      socket: socket, pid: peer.pid, uid: peer.uid, gid: peer.gid, host: host, store: store, limits: limits,
      report: report)
    do {
      let thread = try SystemThread.start("wire-worker") {
        connection.run()
        self.finished(id)
      }
      note(thread, of: id)
    } catch {
      state.withLock { _ = remove(id, &$0) }
      refuse(socket, "the daemon has no thread for it: \(errorText(error.number))")
    }
  }

  /// Hangs up on all and waits for their threads. Called when none is admitted any more.
  func endAll() {
    let threads = state.withLock { state in
      var threads: [SystemThread] = []
      for id in state.entries.keys {
        state.entries[id]?.socket.hangUp()
        // Taken here, so that `finished` does not hand it over once more.
        if let thread = state.entries[id]?.thread.take() { threads.append(thread) }
      }
      return threads
    }
    for thread in threads { thread.join() }
    joinFinished()
  }

  private func register(_ socket: FrameSocket, _ uid: UInt32, _ state: inout State) -> (UInt64?, String) {
    let (ofUser, total) = (state.perUser[uid, default: 0], state.entries.count)
    if let why = limits.refusal(uid: uid, ofUser: ofUser, total: total) { return (nil, why) }
    let id = state.nextID
    state.nextID += 1
    state.entries[id] = Entry(uid: uid, socket: socket)
    state.perUser[uid, default: 0] += 1
    return (id, "")
  }

  private func note(_ thread: SystemThread, of id: UInt64) {
    state.withLock { state in
      if state.entries[id] != nil {
        state.entries[id]?.thread = thread
      } else {
        state.finished.append(thread)
      }
    }
  }

  private func finished(_ id: UInt64) {
    state.withLock { state in
      if let thread = remove(id, &state)?.thread { state.finished.append(thread) }
    }
  }

  private func remove(_ id: UInt64, _ state: inout State) -> Entry? {
    guard let entry = state.entries.removeValue(forKey: id) else { return nil }
    let left = state.perUser[entry.uid, default: 1] - 1
    state.perUser[entry.uid] = left > 0 ? left : nil
    return entry
  }

  private func joinFinished() {
    let threads = state.withLock { state in
      defer { state.finished = [] }
      return state.finished
    }
    for thread in threads { thread.join() }
  }

  private func refuse(_ socket: FrameSocket, _ why: String) {
    ServedConnection.refuse(socket, Failure(.unavailable, why))
    report("a worker was refused: \(why)")
  }
}
