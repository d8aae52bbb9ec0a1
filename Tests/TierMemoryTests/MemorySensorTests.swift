import Foundation
import Testing
import TierCore

@testable import TierMemory

/// A machine's files, made up.
private final class FakeMachine {
  let root: String
  var proc: String { root + "/proc" }

  init(group: String? = "/system.slice/t.service") throws {
    root = NSTemporaryDirectory() + "tierd-sensor-" + UUID().uuidString
    try make("proc/self")
    guard let group else { return }
    try write("proc/self/cgroup", "4:memory:/x\n0::\(group)\n")
    try write(
      "proc/self/mountinfo",
      "29 23 0:25 / /sys rw - sysfs sysfs rw\n30 29 0:26 / \(root)/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n")
    try make("cgroup" + group)
  }

  deinit { try? FileManager.default.removeItem(atPath: root) }

  func make(_ path: String) throws {
    try FileManager.default.createDirectory(atPath: root + "/" + path, withIntermediateDirectories: true)
  }

  /// In place: the sensor keeps its files open.
  func write(_ path: String, _ text: String) throws {
    let whole = root + "/" + path
    if let handle = FileHandle(forWritingAtPath: whole) {
      try handle.truncate(atOffset: 0)
      try handle.write(contentsOf: Data(text.utf8))
      try handle.close()
    } else {
      try text.write(toFile: whole, atomically: false, encoding: .utf8)
    }
  }

  func writeGroup(_ group: String, current: Int, high: String, max: String, file: Int = 0) throws {
    try write("cgroup\(group)/memory.current", "\(current)\n")
    try write("cgroup\(group)/memory.high", high + "\n")
    try write("cgroup\(group)/memory.max", max + "\n")
    try write("cgroup\(group)/memory.stat", "anon 5\nfile 99\nshmem 7\ninactive_file \(file)\nactive_file 20\n")
  }

  func sensor(_ environment: [String: String] = [:]) -> MemorySensor {
    MemorySensor(MemorySources(procDirectory: proc, environment: environment))
  }
}

@Suite struct MemorySensorTests {
  @Test func limitsOfTheOwnGroupAndOfItsParentsAreRead() throws {
    let machine = try FakeMachine()
    try machine.writeGroup("/system.slice/t.service", current: 1000, high: "600", max: "2000", file: 100)
    try machine.writeGroup("/system.slice", current: 5000, high: "max", max: "9000")
    let sensor = machine.sensor()
    #expect(
      sensor.reading().groups == [
        .init(name: "system.slice/t.service", usedBytes: 880, limitBytes: 600, isHard: false),
        .init(name: "system.slice", usedBytes: 4980, limitBytes: 9000, isHard: true),
      ])
    try machine.writeGroup("/system.slice/t.service", current: 1000, high: "max", max: "max")
    try machine.writeGroup("/system.slice", current: 5000, high: "max", max: "max")
    #expect(sensor.reading().groups.isEmpty, "a limit that was lifted is none")
  }

  @Test func stallsAndFreeMemoryAreRead() throws {
    let machine = try FakeMachine()
    try machine.make("proc/pressure")
    try machine.write(
      "proc/pressure/memory", "some avg10=1.00 avg60=0.00 avg300=0.00 total=1234\nfull avg10=0.00 total=99\n")
    try machine.write(
      "cgroup/system.slice/t.service/memory.pressure", "some avg10=1.00 avg60=0.00 avg300=0.00 total=77\nfull total=5\n"
    )
    try machine.write("proc/meminfo", "MemTotal:       16384 kB\nMemFree:  1 kB\nMemAvailable:    4096 kB\n")
    let reading = machine.sensor().reading()
    #expect(reading.systemStallUs == 1234 && reading.ownStallUs == 77)
    #expect(reading.totalBytes == 16 << 20 && reading.availableBytes == 4 << 20)
  }

  /// What is not there is said, each once, and the rest works.
  @Test func whatIsMissingIsSaidAndTheRestIsRead() throws {
    let machine = try FakeMachine(group: nil)
    try machine.write("proc/meminfo", "MemTotal: 1024 kB\nMemAvailable: 512 kB\n")
    let sensor = machine.sensor()
    #expect(sensor.missing.count == 2)
    #expect(sensor.missing.contains { $0.contains("control group") })
    #expect(sensor.missing.contains { $0.contains("pressure stall information") })
    #expect(sensor.reading() == MemoryReading(availableBytes: 512 << 10, totalBytes: 1 << 20))
    #expect(sensor.summary == "free memory")
    #expect(!sensor.wait(timeoutMs: 0))
  }

  @Test(arguments: ["", "0::\n", "garbage", "0::/../../..\n0::", String(repeating: "0::/a", count: 5000)])
  func hostileFilesAreNoLimits(_ text: String) throws {
    let machine = try FakeMachine()
    try machine.write("proc/self/cgroup", text)
    try machine.write("proc/meminfo", "MemTotal: 99999999999999999999999 kB\nMemAvailable:\n")
    let reading = machine.sensor().reading()
    #expect(reading.groups.isEmpty && reading.totalBytes == nil && reading.availableBytes == nil)
  }

  /// systemd's protocol over a pipe: what is to be written is, and each word from the other end is heard once.
  @Test func theServiceManagersPipeIsHeard() throws {
    let machine = try FakeMachine()
    let path = machine.root + "/watch"
    #expect(mkfifo(path, 0o600) == 0)
    let other = open(path, O_RDWR | O_NONBLOCK)
    defer { close(other) }
    let sensor = machine.sensor(["MEMORY_PRESSURE_WATCH": path, "MEMORY_PRESSURE_WRITE": "c29tZSAx"])
    var buffer = [UInt8](repeating: 0, count: 16)
    #expect(read(other, &buffer, 16) == 6 && Array(buffer[..<6]) == Array("some 1".utf8))
    #expect(!sensor.wait(timeoutMs: 0))
    #expect(write(other, "!", 1) == 1)
    #expect(sensor.wait(timeoutMs: 1000))
    #expect(!sensor.wait(timeoutMs: 0), "it was heard once")
  }

  @Test func theServiceManagersSocketIsHeardUntilItCloses() throws {
    let machine = try FakeMachine()
    let path = machine.root + "/s"
    let listener = try Listener(path)
    let sensor = machine.sensor(["MEMORY_PRESSURE_WATCH": path, "MEMORY_PRESSURE_WRITE": "aGk="])
    let peer = accept(listener.fd, nil, nil)
    var buffer = [UInt8](repeating: 0, count: 16)
    #expect(read(peer, &buffer, 16) == 2)
    #expect(write(peer, "!", 1) == 1)
    #expect(sensor.wait(timeoutMs: 1000))
    close(peer)
    #expect(!sensor.wait(timeoutMs: 1000))
    let before = ContinuousClock.now
    #expect(!sensor.wait(timeoutMs: 50))
    #expect(ContinuousClock.now - before >= .milliseconds(40), "a socket that has closed does not keep it awake")
  }

  @Test(arguments: ["/dev/null", ""])
  func itCanBeTurnedOff(_ path: String) throws {
    let machine = try FakeMachine()
    #expect(!machine.sensor(["MEMORY_PRESSURE_WATCH": path]).missing.contains { $0.contains("service manager") })
  }

  @Test func anOfferThatCannotBeTakenIsSaid() throws {
    let machine = try FakeMachine()
    for environment in [
      ["MEMORY_PRESSURE_WATCH": "/nonexistent"],
      ["MEMORY_PRESSURE_WATCH": machine.proc, "MEMORY_PRESSURE_WRITE": "not Base64!"],
    ] {
      #expect(machine.sensor(environment).missing.contains { $0.contains("service manager's word") })
    }
  }

  @Test(arguments: [
    ("", []), ("aGk=", Array("hi".utf8)), ("aGkh", Array("hi!".utf8)),
    (
      "c29tZSAyMDAwMDAgMjAwMDAwMAA=",
      Array("some 200000 2000000\0".utf8)
    ),
  ])
  func base64Reads(_ text: String, _ bytes: [UInt8]) { #expect(PressureWatch.base64(text) == bytes) }

  @Test(arguments: ["a", "aGk", "====", "a===", "aG=k", "aGk\n", "é==="])
  func whatIsNotBase64IsRefused(_ text: String) { #expect(PressureWatch.base64(text) == nil) }

  private struct Listener: ~Copyable {
    let fd: Int32

    init(_ path: String) throws {
      fd = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
      var address = sockaddr_un()
      address.sun_family = sa_family_t(AF_UNIX)
      withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
      let bound = withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          bind(fd, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
        }
      }
      try #require(bound == 0 && listen(fd, 1) == 0)
    }

    deinit { close(fd) }
  }
}
