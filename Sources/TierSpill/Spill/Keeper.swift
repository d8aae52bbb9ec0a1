import CLinux
import Glibc

/// Lets one in at a time, and the others wait no longer than they want to.
final class Gate: @unchecked Sendable {
  private let condition = Condition()
  private var isTaken = false
  private var takenNs: UInt64 = 0

  func enter(timeoutMs: Int) -> Bool {
    condition.lock()
    defer { condition.unlock() }
    guard condition.wait(timeoutMs: timeoutMs, until: { !isTaken }) else { return false }
    isTaken = true
    takenNs = MonotonicClock.nowNs()
    return true
  }

  /// How long whoever is in has been; 0 where nobody is.
  var heldMs: Int {
    condition.lock()
    defer { condition.unlock() }
    return isTaken ? Int((MonotonicClock.nowNs() - takenNs) / 1_000_000) : 0
  }

  var isFree: Bool {
    condition.lock()
    defer { condition.unlock() }
    return !isTaken
  }

  func leave() {
    condition.lock()
    isTaken = false
    condition.broadcast()
    condition.unlock()
  }
}

/// The thread that looks after the files, so that neither writers nor whoever forgets blocks wait for the file system.
/// It works in turns; a writer that needs a segment is served between two of them.
final class Keeper: @unchecked Sendable {
  /// Held during a turn, and by whoever does the keeper's work without its thread.
  let gate = Gate()
  /// The end of the log of moved records. Behind the gate.
  var segment: Segment?
  /// The file of tombstones, once something was written to it. Behind the gate.
  var book: TombstoneBook?
  /// When the directory was looked at last, and whether in this turn. Behind the gate.
  var lastCheckNs: UInt64 = 0
  var isCheckTurn = false
  private(set) var observer: @Sendable (SpillEvent) -> Void = { _ in }

  private let bell = Condition()
  // Guarded by `bell`.
  private var isRung = false
  private var isStopping = false
  private var thread: pthread_t?
  private var request: Request?

  private final class Request {
    var answer: Result<Segment?, SpillError>?
  }
  private final class Body {
    let run: () -> Void
    init(_ run: @escaping () -> Void) { self.run = run }
  }

  private static let idleMs = 500

  var isRunning: Bool {
    bell.lock()
    defer { bell.unlock() }
    return thread != nil && !isStopping
  }

  /// Without a thread: events come from whoever does the work.
  func observe(_ observer: @escaping @Sendable (SpillEvent) -> Void) { self.observer = observer }

  /// `turn` says whether there is more to do at once.
  func start(_ observer: @escaping @Sendable (SpillEvent) -> Void, turn: @escaping () -> Bool) {
    bell.lock()
    defer { bell.unlock() }
    guard thread == nil, !isStopping else { return }
    self.observer = observer
    let body = Unmanaged.passRetained(Body { [self] in run(turn) })
    var started = pthread_t()
    let code = pthread_create(
      &started, nil,
      { argument in
        Unmanaged<Body>.fromOpaque(argument!).takeRetainedValue().run()
        return nil
      }, body.toOpaque())
    guard code == 0 else { return body.release() }
    tierd_name_thread(started, "spill-keeper")
    thread = started
  }

  private func run(_ turn: () -> Bool) {
    while true {
      let hasMore = turn()
      bell.lock()
      if !hasMore { _ = bell.wait(timeoutMs: Self.idleMs) { isRung || isStopping || hasRequest } }
      isRung = false
      let isOver = isStopping
      bell.unlock()
      if isOver { return }
    }
  }

  private var hasRequest: Bool { request != nil && request?.answer == nil }

  func ring() {
    bell.lock()
    isRung = true
    bell.broadcast()
    bell.unlock()
  }

  /// Asks for a segment and waits for it. One asks at a time.
  func ask(timeoutMs: Int) throws(SpillError) -> Segment? {
    let mine = Request()
    bell.lock()
    request = mine
    bell.broadcast()
    let isAnswered = bell.wait(timeoutMs: timeoutMs) { mine.answer != nil || isStopping }
    request = nil
    bell.unlock()
    guard isAnswered, let answer = mine.answer else { throw .busy(waitedMs: timeoutMs) }
    return try answer.get()
  }

  /// Serves a writer that waits, if one does. What it no longer waits for is handed back.
  func serve(_ provide: () -> Result<Segment?, SpillError>) -> Segment? {
    bell.lock()
    let mine = request
    let isWanted = hasRequest
    bell.unlock()
    guard isWanted, let mine else { return nil }
    let answer = provide()
    bell.lock()
    defer { bell.unlock() }
    guard request === mine else { return try? answer.get() }
    mine.answer = answer
    bell.broadcast()
    return nil
  }

  func dropBook() {
    book?.file.close()
    book = nil
  }

  func takeSegment() -> Segment? {
    defer { segment = nil }
    return segment
  }

  /// Ends the thread after its turn. From that thread itself: after this turn.
  func stop() {
    bell.lock()
    isStopping = true
    let running = thread
    thread = nil
    bell.broadcast()
    bell.unlock()
    guard let running else { return }
    if pthread_equal(running, pthread_self()) != 0 { pthread_detach(running) } else { pthread_join(running, nil) }
  }
}
