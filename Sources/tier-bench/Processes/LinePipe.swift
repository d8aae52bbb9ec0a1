import Glibc

/// Lines to a program and lines back from it.
final class LinePipe {
  private var input: Int32
  private var output: Int32
  private var buffer: [UInt8] = []

  private init(input: Int32, output: Int32) {
    self.input = input
    self.output = output
  }

  deinit { close() }

  /// This process's ends, and those of the program, which are the caller's to close.
  static func make() throws(BenchFault) -> (LinePipe, (input: Int32, output: Int32)) {
    let (theirInput, myOutput) = try pair()
    let (myInput, theirOutput) = try pair()
    return (LinePipe(input: myInput, output: myOutput), (theirInput, theirOutput))
  }

  private static func pair() throws(BenchFault) -> (read: Int32, write: Int32) {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { throw .io("cannot make a pipe: \(String(cString: strerror(errno)))") }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    return (ends[0], ends[1])
  }

  /// False where the program is gone.
  func send(_ line: String) -> Bool {
    var line = line + "\n"
    return line.withUTF8 { write(output, $0.baseAddress, $0.count) == $0.count }
  }

  /// The next line; nil where the program ended or said nothing for as long.
  func receive(limitS: Double) -> String? {
    let watch = Stopwatch()
    while true {
      if let end = buffer.firstIndex(of: UInt8(ascii: "\n")) {
        defer { buffer.removeFirst(end + 1) }
        return String(decoding: buffer[..<end], as: UTF8.self)
      }
      let leftS = limitS - watch.seconds
      guard leftS > 0 else { return nil }
      var ready = pollfd(fd: input, events: Int16(POLLIN), revents: 0)
      guard poll(&ready, 1, Int32(min(leftS, 3600) * 1000) + 1) > 0 else { continue }
      var part = [UInt8](repeating: 0, count: 4096)
      let count = read(input, &part, part.count)
      guard count > 0 else { return nil }
      buffer += part[..<count]
    }
  }

  func close() {
    for descriptor in [input, output] where descriptor >= 0 { Glibc.close(descriptor) }
    input = -1
    output = -1
  }
}
