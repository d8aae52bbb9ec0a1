import CLinux
import Glibc
import ServiceManager
import Testing
import TierTesting

@Suite struct NotificationTests {
  private func connected(_ manager: FakeManager, _ more: [String: String] = [:]) throws -> ServiceManager {
    try ServiceManager(environment: ["NOTIFY_SOCKET": manager.address].merging(more) { $1 })
  }

  @Test(
    "Each state is the assignment sd_notify(3) names",
    arguments: [
      (ServiceState.ready, "READY=1"), (.stopping, "STOPPING=1"), (.watchdog, "WATCHDOG=1"),
      (.watchdogTrigger, "WATCHDOG=trigger"), (.status("serving 3"), "STATUS=serving 3"),
      (.extendTimeout(.milliseconds(1500)), "EXTEND_TIMEOUT_USEC=1500000"),
      (.extendTimeout(.seconds(-1)), "EXTEND_TIMEOUT_USEC=0"),
    ])
  func states(_ state: ServiceState, _ line: String) throws {
    let manager = try FakeManager()
    try connected(manager).notify([state])
    #expect(manager.next()?.lines == [line])
  }

  @Test("Several states are one message, in their order") func together() throws {
    let manager = try FakeManager()
    try connected(manager).notify([.ready, .status("up"), .watchdog])
    #expect(manager.next()?.lines == ["READY=1", "STATUS=up", "WATCHDOG=1"])
    #expect(manager.next() == nil)
  }

  @Test("A reload carries the time it began at, as Type=notify-reload asks") func reloading() throws {
    let manager = try FakeManager()
    let before = monotonicUs()
    try connected(manager).notify([.reloading])
    let lines = try #require(manager.next()?.lines)
    #expect(lines.count == 2 && lines[0] == "RELOADING=1")
    let time = try #require(UInt64(lines[1].dropFirst("MONOTONIC_USEC=".count)))
    #expect((before...monotonicUs()).contains(time))
  }

  private func monotonicUs() -> UInt64 {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    return UInt64(now.tv_sec) * 1_000_000 + UInt64(now.tv_nsec) / 1000
  }

  @Test("A status is one line: it cannot smuggle in another assignment") func statusIsOneLine() throws {
    let manager = try FakeManager()
    try connected(manager).notify([.status("a\nREADY=1\u{7}\u{85}b")])
    #expect(manager.next()?.lines == ["STATUS=a READY=1  b"])
  }

  @Test("A long status is cut between characters") func longStatus() throws {
    let manager = try FakeManager()
    try connected(manager).notify([.status(String(repeating: "ä", count: 4000) + "end")])
    #expect(manager.next()?.lines == ["STATUS=" + String(repeating: "ä", count: ServiceState.statusBytesMax / 2)])
  }

  @Test("An abstract address") func abstract() throws {
    let manager = try FakeManager(isAbstract: true)
    try connected(manager).notify([.ready])
    #expect(manager.next()?.lines == ["READY=1"])
  }

  @Test("Without a manager nothing is told, and nothing can be stored") func absent() throws {
    let nobody = try ServiceManager(environment: ["NOTIFY_SOCKET": ""])
    #expect(!nobody.isPresent)
    try nobody.notify([.ready])
    #expect(throws: ServiceManagerError.absent) { try nobody.storeDescriptor(0, name: "a") }
    #expect(throws: ServiceManagerError.absent) { try nobody.removeDescriptors(name: "a") }
    #expect(throws: ServiceManagerError.absent) { try nobody.synchronize(timeoutMs: 1) }
  }

  @Test(
    "An address nobody can be reached at is a fault that names it",
    arguments: [
      "/nonexistent/notify", "notify", "@", "vsock:2:1234", "/" + String(repeating: "x", count: 200),
    ])
  func unreachable(_ address: String) {
    let error = #expect(throws: ServiceManagerError.self) {
      try ServiceManager(environment: ["NOTIFY_SOCKET": address])
    }
    #expect(error?.message.contains(address.prefix(64)) == true)
  }

  @Test("A manager that has gone is told of, and one that comes back is found again") func replaced() throws {
    var manager: FakeManager? = try FakeManager()
    let service = try connected(manager!)
    let address = manager!.address
    manager = nil
    let error = #expect(throws: ServiceManagerError.self) { try service.notify([.watchdog]) }
    #expect(error?.message.contains(address) == true)
    let next = try FakeManager(at: address)
    try service.notify([.watchdog])
    #expect(next.next()?.lines == ["WATCHDOG=1"])
  }

  @Test("A manager that does not read holds nobody up for ever") func fullQueue() throws {
    let manager = try FakeManager()
    let service = try connected(manager)
    let start = ContinuousClock.now
    let error = #expect(throws: ServiceManagerError.self) {
      // Linux queues max_dgram_qlen messages, 10 unless told otherwise.
      for _ in 0..<100_000 { try service.notify([.watchdog]) }
    }
    #expect(error?.message.contains("has not read") == true)
    #expect(ContinuousClock.now - start < .milliseconds(ServiceManager.sendTimeoutMs + 3000))
    withExtendedLifetime(manager) {}
  }

  @Test("The watchdog's interval is this process's only") func watchdog() throws {
    func interval(_ environment: [String: String]) throws -> Duration? {
      try ServiceManager(environment: environment, pid: 42).watchdogInterval
    }
    #expect(try interval(["WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "42"]) == .seconds(30))
    #expect(try interval(["WATCHDOG_USEC": "30000000"]) == .seconds(30))
    #expect(try interval(["WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "43"]) == nil)
    #expect(try interval([:]) == nil)
    for text in ["", "0", "-1", "+5", "1s", "99999999999999999999"] {
      #expect(throws: ServiceManagerError.variable("WATCHDOG_USEC", value: text)) {
        try interval(["WATCHDOG_USEC": text])
      }
    }
  }
}
