import Glibc
import Testing
import TierCore

@testable import TierWire

extension SocketTests {
  @Suite struct LatencyTests {
    let directory = SocketDirectory()

    /// Printed, not asserted: a shared machine has its moods.
    @Test func roundTripOf32ResidentBlocks() throws {
      let server = try WorkerServer(path: directory.socket, host: TrivialHost())
      defer { server.stop() }
      let client = try WorkerClient.connect(path: directory.socket, name: "latency")
      let s = SequenceID(1)
      var samples: [UInt64] = []
      for round in 0..<4000 {
        let start = Deadline.nowNs()
        try client.send(.acquire(s, chunk: 1, layer: 3, blocks: 0..<32))
        guard case .acquired(_, _, _, let residences) = try client.receive(timeoutMs: 5000), residences.count == 32
        else {
          Issue.record("no answer")
          return
        }
        try client.send(.release(s, layer: 3, blocks: 0..<32))
        if round >= 500 { samples.append(Deadline.nowNs() - start) }
      }
      samples.sort()
      let us = { (quantile: Double) in Double(samples[Int(Double(samples.count - 1) * quantile)] / 100) / 10 }
      print("acquire + release of 32 resident blocks: p50 \(us(0.5)) us, p90 \(us(0.9)) us, p99 \(us(0.99)) us")
    }
  }
}
