import Glibc
import Synchronization
import TierCore
import TierSpill
import TierTesting

/// The child: writes, reads and forgets blocks until it is killed. On stdout, a line for each thing its parent is to
/// remember: `O` the spill is open, `D key` durable, `F key` about to be forgotten, `W key` wrong bytes.
struct CrashLoad {
  let directory: String
  let seed: UInt64

  func run() throws {
    say("S")
    let spill = try Spill.open(directory: directory, capBytes: CrashWorld.capBytes, options: CrashWorld.options())
    spill.start { event in
      if case .lost(let keys) = event { for key in keys { say("L \(key.id.a)") } }
    }
    say("O")
    let threads = (0..<CrashWorld.writers).map { writer in
      LoadThread { write(spill, writer) }
    }
    for thread in threads { thread.join() }
  }

  private func write(_ spill: Spill, _ writer: Int) {
    var random = SeededRandom(seed: seed &* 31 &+ UInt64(writer))
    func key() -> Int { random.next(below: CrashWorld.keys / CrashWorld.writers) * CrashWorld.writers + writer }
    while true {
      let blocks = (0...random.next(below: 8)).map { _ in TestBlock(key()) }
      var isFull = false
      for (block, outcome) in zip(blocks, spill.write(blocks)) {
        if outcome.isDurable { say("D \(block.key.id.a)") }
        if outcome == .full { isFull = true }
      }
      let block = TestBlock(key())
      let (outcome, bytes) = spill.read(block)
      if case .ok = outcome, bytes != block.bytes { say("W \(block.key.id.a)") }
      if case .corrupt = outcome { say("W \(block.key.id.a)") }
      for _ in 0..<(isFull ? 40 : random.next(below: 6)) {
        let gone = key()
        say("F \(gone)")
        spill.forget([TestBlock(gone).key])
      }
    }
  }
}

/// One write call a line: whole or not at all in the pipe.
func say(_ line: String) {
  var line = line + "\n"
  line.withUTF8 { _ = write(STDOUT_FILENO, $0.baseAddress, $0.count) }
}

final class LoadThread: @unchecked Sendable {
  private var thread = pthread_t()
  private let body: () -> Void

  init(_ body: @escaping () -> Void) {
    self.body = body
    pthread_create(
      &thread, nil,
      { context in
        Unmanaged<LoadThread>.fromOpaque(context!).takeRetainedValue().body()
        return nil
      }, Unmanaged.passRetained(self).toOpaque())
  }

  func join() { pthread_join(thread, nil) }
}
