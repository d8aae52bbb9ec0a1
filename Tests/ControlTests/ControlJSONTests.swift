import ControlAPI
import FoundationEssentials
import Testing
import TierCore

@Suite struct ControlJSONTests {
  private func roundTrip<Value: Codable>(_ value: Value) throws -> Value {
    try ControlJSON.decode(Value.self, from: ControlJSON.encode(value))
  }

  @Test func repliesComeBackAsTheyWere() throws {
    let sessions = SessionsReply(sessions: [
      SessionStatus(
        id: 7, uid: 1000, tenant: "team", pid: 99, client: "tier-worker", sequences: SequenceCounts(open: 1, queued: 0),
        leases: 3,
        staged: 2, connectedS: 1.5)
    ])
    let blocks = BlocksReply(
      blocks: [BlockStatus(Samples.key(1), tiers: [.disk, .host], bytes: 9, leases: 1, durable: true)], total: 3,
      next: "x")
    let drain = DrainReply(drained: false, sequencesOpen: 1, dirtyBlocks: 2, elapsedMs: 3)
    #expect(try roundTrip(Samples.status) == Samples.status)
    #expect(try roundTrip(sessions) == sessions)
    #expect(try roundTrip(blocks) == blocks)
    #expect(try roundTrip(drain) == drain)
    #expect(blocks.blocks[0].tiers == ["host", "disk"])
  }

  @Test func requestsComeBackAsTheyWere() throws {
    let set = SetRequest(deviceBudgetBytes: nil, hostBudgetBytes: 5, diskBudgetBytes: 6)
    let evict = EvictRequest(what: .key, key: KeyPrefix("AB12"), to: .gone)
    #expect(try roundTrip(set) == set)
    #expect(try roundTrip(evict) == evict)
    #expect(try roundTrip(DrainRequest(deadlineMs: 9)) == DrainRequest(deadlineMs: 9))
  }

  @Test func keysAreInSnakeCase() throws {
    let latency = LatencyStatus(name: "seal", count: 1, sumUs: 2, p50Us: 3, p99Us: 4, maxUs: 5)
    #expect(
      String(decoding: try ControlJSON.encode(latency), as: UTF8.self)
        == #"{"count":1,"max_us":5,"name":"seal","p50_us":3,"p99_us":4,"sum_us":2}"#)
    let text = String(decoding: try ControlJSON.encode(Samples.status), as: UTF8.self)
    #expect(text.contains(#""uptime_s":192.25"#))
    #expect(text.contains(#""budget_bytes":50331648"#))
  }

  @Test func anUnknownKeyIsNamedAsItWasWritten() {
    let error = #expect(throws: DecodingError.self) {
      try ControlJSON.decode(SetRequest.self, from: Data(#"{"host_budget": 5}"#.utf8))
    }
    #expect(error?.oneLine == "there is no key 'host_budget'")
  }

  @Test func aMissingKeyIsNamedAsItIsWritten() {
    let error = #expect(throws: DecodingError.self) {
      try ControlJSON.decode(DrainRequest.self, from: Data("{}".utf8))
    }
    #expect(error?.oneLine == "the key 'deadline_ms' is missing")
  }

  @Test func senselessRequestsHaveAFault() {
    #expect(SetRequest().fault != nil)
    #expect(SetRequest(hostBudgetBytes: -1).fault != nil)
    #expect(SetRequest(hostBudgetBytes: 0).fault == nil)
    #expect(EvictRequest(what: .key, to: .disk).fault != nil)
    #expect(EvictRequest(what: .unleased, key: KeyPrefix("a"), to: .disk).fault != nil)
    #expect(EvictRequest(what: .key, key: KeyPrefix("a"), to: .disk).fault == nil)
    #expect(DrainRequest(deadlineMs: -1).fault != nil)
    #expect(DrainRequest(deadlineMs: DrainRequest.maxDeadlineMs + 1).fault != nil)
    #expect(DrainRequest(deadlineMs: 0).fault == nil)
  }
}
