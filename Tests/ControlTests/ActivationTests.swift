import ServiceManager
import Testing

@testable import tierd

/// What of the descriptors a service manager passes is taken for what.
@Suite struct ActivationTests {
  private static let worker = PassedDescriptor(
    name: "worker", descriptor: 3, kind: .listeningSequentialPacket(path: "/run/tierd/worker.sock"))
  private static let memory = PassedDescriptor(name: "host-0", descriptor: 4, kind: .memoryFile(sizeBytes: 4096))

  @Test func nothingIsFine() throws {
    let activation = try Activation([])
    #expect(activation.workerSocket == nil && activation.memoryFiles.isEmpty)
  }

  @Test func aSocketAndMemory() throws {
    let activation = try Activation([Self.memory, Self.worker])
    #expect(activation.workerSocket?.descriptor == 3)
    #expect(activation.workerSocket?.path == "/run/tierd/worker.sock")
    #expect(activation.memoryFiles == [Self.memory])
  }

  @Test(
    "What a unit got wrong is named with the setting",
    arguments: [
      ([PassedDescriptor(name: "tierd.socket", descriptor: 3, kind: worker.kind)], "FileDescriptorName=worker"),
      ([worker, PassedDescriptor(name: "worker", descriptor: 4, kind: worker.kind)], "one socket unit"),
      ([PassedDescriptor(name: "worker", descriptor: 3, kind: .other("a pipe"))], "ListenSequentialPacket="),
    ])
  func wrong(_ passed: [PassedDescriptor], _ word: String) {
    let fault = #expect(throws: ActivationFault.self) { try Activation(passed) }
    #expect(fault?.message.contains(word) == true)
    #expect(fault?.exitCode == 78)
  }
}
