import ControlAPI
import Foundation
import Testing

/// A client that breaks the protocol is disconnected. No other notices, and the daemon keeps nothing of it.
@Suite(.serialized) struct HostileClientTests {
  /// What a bad client sends, frame by frame.
  enum Malice: CaseIterable {
    case noProtobuf
    case emptyBody
    case requestBeforeHello
    case helloTwice
    case oversizedHello
    case oversizedFrame
    case helloWithDescriptors
    case frameWithDescriptors
    case unknownSequence
    case absurdPlan

    func commit(on client: RawClient) {
      let close: [UInt8] = [0x42, 0x02, 0x08, 0x07]
      switch self {
      case .noProtobuf: client.send([UInt8](repeating: 0xFF, count: 200))
      case .emptyBody: client.send([0x0a, 0x00])
      case .requestBeforeHello: client.send(close)
      case .helloTwice:
        client.send(RawClient.hello)
        client.send(RawClient.hello)
      case .oversizedHello: client.send(RawClient.hello + [UInt8](repeating: 0, count: 100_000))
      case .oversizedFrame:
        client.send(RawClient.hello)
        client.send([UInt8](repeating: 0x42, count: 100_000))
      case .helloWithDescriptors: client.send(RawClient.hello, descriptors: 3)
      case .frameWithDescriptors:
        client.send(RawClient.hello)
        client.send(close, descriptors: 16)
      case .unknownSequence:
        client.send(RawClient.hello)
        client.send(close)
      case .absurdPlan:
        client.send(RawClient.hello)
        // `open` with 2^32 - 1 in every number: docs/protocol.md gives the fields.
        let most: [UInt8] = [0xFF, 0xFF, 0xFF, 0xFF, 0x0F]
        let fields: [UInt8] = [0x08, 0x18, 0x20, 0x28, 0x30, 0x38, 0x40, 0x48, 0x50]
        let body = fields.flatMap { [$0] + most }
        client.send([0x12, UInt8(body.count)] + body)
      }
    }
  }

  @Test func aRunAmongThemIsUnharmed() throws {
    let home = try Workspace()
    let run = try ReferenceRun.shared.get()
    let daemon = try Daemon("daemon", .init(device: "4MiB", host: "4MiB", link: "32MiB/s"), in: home)
    let worker = try run.start(.daemon(daemon), in: home)
    try daemon.waitForBirths(10, from: worker)
    for _ in 0..<5 { try commitAll(daemon) }
    #expect(worker.isRunning, "they are to be at it at the same time")
    #expect(try Evaluation(worker).isIdentical(to: run.result))

    // Arenas are open by now, and segment files are the spill's own: what comes on top is the clients'.
    #expect(try eventually(seconds: 5) { try daemon.status().sessions == 0 })
    let descriptors = daemon.descriptors
    for _ in 0..<5 { try commitAll(daemon) }
    let isClean = eventually(seconds: 5) { daemon.descriptors.count <= descriptors.count }
    #expect(isClean, "\(daemon.descriptors) are open, before it were \(descriptors)")
    #expect(try daemon.stop().ending == .exited(0))
  }

  private func commitAll(_ daemon: Daemon) throws {
    for malice in Malice.allCases {
      let client = try RawClient(daemon.workerSocket)
      malice.commit(on: client)
      #expect(client.isHungUpOn(), "after \(malice)")
    }
  }
}
