import Glibc
import TierCore
import TierSpill
import TierTesting

/// The parent: what must be there after each kill, and whether it is.
struct CrashTrial {
  let directory: String
  private(set) var problems: [String] = []
  private(set) var killsInRecovery = 0
  private(set) var durableBlocks = 0
  private(set) var blocksRead = 0
  private var durable: Set<Int> = []

  init(directory: String) { self.directory = directory }

  mutating func run(seed: UInt64) throws {
    var random = SeededRandom(seed: seed ^ 0xc4a5)
    let child = try spawn(seed: seed)
    // From its start, so that recovery is hit, too.
    let instantUs = random.next(below: 5) == 0 ? random.next(below: 30_000) : random.next(below: 350_000)
    let lines = CrashLines(descriptor: child.output)
    usleep(UInt32(instantUs))
    kill(child.pid, SIGKILL)
    let said = lines.join()
    var status: Int32 = 0
    waitpid(child.pid, &status, 0)
    close(child.output)
    take(said)
    check()
  }

  private mutating func take(_ lines: [Substring]) {
    if !lines.contains("O") { killsInRecovery += 1 }
    for line in lines {
      guard let key = Int(line.dropFirst(2)) else { continue }
      switch line.first {
      case "D": durable.insert(key)
      case "F": durable.remove(key)
      case "L": problems.append("block \(key) was durable and given up")
      default: problems.append("the child read wrong bytes for block \(key)")
      }
    }
  }

  /// Everything that was durable is there; whatever is there is right; the files are within the cap.
  private mutating func check() {
    let bytes = sizeOfFiles()
    if bytes > CrashWorld.capBytes {
      problems.append("\(bytes) bytes of files exceed the cap of \(CrashWorld.capBytes)")
    }
    durableBlocks += durable.count
    do throws(SpillError) {
      let spill = try Spill.open(directory: directory, capBytes: CrashWorld.capBytes, options: CrashWorld.options())
      defer { spill.close() }
      spill.start()
      while spill.isRecovering { usleep(500) }
      for key in 0..<CrashWorld.keys { check(key, spill) }
      let found = spill.recovery
      if found.damagedRegions > 0 { problems.append("\(found.damagedRegions) stretches are damaged") }
    } catch {
      problems.append("the spill does not open: \(error.message)")
    }
  }

  private mutating func check(_ key: Int, _ spill: Spill) {
    let block = TestBlock(key)
    let (outcome, bytes) = spill.read(block)
    switch outcome {
    case .ok(let checksum):
      blocksRead += 1
      if bytes != block.bytes || checksum != block.checksum { problems.append("wrong bytes for block \(key)") }
    case .missing: if durable.contains(key) { problems.append("block \(key) was durable and is gone") }
    case .corrupt(let why): problems.append("block \(key): \(why)")
    case .failed(let error): problems.append("block \(key): \(error.message)")
    }
  }

  private func names() -> [String] {
    guard let stream = opendir(directory) else { return [] }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) {
        String(cString: $0.bindMemory(to: CChar.self).baseAddress!)
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names
  }

  private func sizeOfFiles() -> Int {
    names().reduce(0) { sum, name in
      var info = stat()
      return sum + (stat(directory + "/" + name, &info) == 0 ? Int(info.st_size) : 0)
    }
  }

  func removeFiles() {
    for name in names() { unlink(directory + "/" + name) }
    rmdir(directory)
  }

  private func spawn(seed: UInt64) throws -> (pid: pid_t, output: Int32) {
    var ends: [Int32] = [0, 0]
    guard pipe(&ends) == 0 else { throw SpillError.io(operation: "creation", file: "pipe", errno: errno) }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO)
    posix_spawn_file_actions_addclose(&actions, ends[0])
    let words = ["spill-crash", "--child", "--directory", directory, "--seed", "\(seed)"]
    var arguments = words.map { strdup($0) } + [nil]
    defer { for argument in arguments { free(argument) } }
    var pid = pid_t()
    let code = posix_spawn(&pid, "/proc/self/exe", &actions, nil, &arguments, environ)
    close(ends[1])
    guard code == 0 else {
      close(ends[0])
      throw SpillError.io(operation: "start", file: "child", errno: code)
    }
    return (pid, ends[0])
  }
}

/// Takes in what a child says while it runs: a full pipe would hold it up.
private final class CrashLines: @unchecked Sendable {
  private var text: [UInt8] = []
  private var thread: LoadThread?

  init(descriptor: Int32) {
    thread = LoadThread { [unowned self] in
      var buffer = [UInt8](repeating: 0, count: 65536)
      while true {
        let n = read(descriptor, &buffer, buffer.count)
        if n < 0 && errno == EINTR { continue }
        guard n > 0 else { return }
        text += buffer[..<n]
      }
    }
  }

  /// The whole lines, once the child is gone.
  func join() -> [Substring] {
    thread?.join()
    let whole = text.prefix(through: text.lastIndex(of: UInt8(ascii: "\n")) ?? text.startIndex - 1)
    return String(decoding: whole, as: UTF8.self).split(separator: "\n")
  }
}
