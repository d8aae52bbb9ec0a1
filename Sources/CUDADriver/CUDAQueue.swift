import CCUDA
import Synchronization
import TierMemory

/// A stream of copies with an event after each batch. Driver API reference, "Stream Management" and "Event Management".
final class CUDAQueue: CopyQueue {
  private struct State: @unchecked Sendable {
    let stream: cu_stream
    /// Of batches under way, the oldest first.
    var recorded: [cu_event] = []
    var next = 0
    /// Used before, and free again.
    var spare: [cu_event] = []
    var completed = 0
  }

  private let device: CUDADevice
  /// Uncontended: a queue has one user. It keeps the compiler's word that this is safe.
  private let state: Mutex<State>

  init(_ device: CUDADevice) throws(DeviceError) {
    try device.enter()
    var stream: cu_stream?
    try device.functions.check(
      device.functions.createStream(&stream, UInt32(CU_STREAM_APART_FROM_DEFAULT)), "cuStreamCreate")
    guard let stream else { throw .failed("cuStreamCreate gave no stream") }
    self.device = device
    state = Mutex(State(stream: stream))
  }

  deinit {
    let functions = device.functions
    try? device.enter()
    state.withLock { state in
      // Its copies use memory that goes next.
      _ = functions.synchronizeStream(state.stream)
      for event in state.recorded[state.next...] + state.spare { _ = functions.destroyEvent(event) }
      _ = functions.destroyStream(state.stream)
    }
  }

  func submit(_ batch: [DeviceCopy]) throws(DeviceError) {
    let functions = device.functions
    try device.enter()
    try state.withLock { state throws(DeviceError) in
      for copy in batch {
        let code =
          switch copy.direction {
          case .toDevice: functions.copyToDevice(copy.device, copy.host, copy.bytes, state.stream)
          case .toHost: functions.copyToHost(copy.host, copy.device, copy.bytes, state.stream)
          }
        try functions.check(code, copy.direction == .toDevice ? "cuMemcpyHtoDAsync" : "cuMemcpyDtoHAsync")
      }
      let event: cu_event
      if let spare = state.spare.popLast() { event = spare } else { event = try Self.makeEvent(functions) }
      try functions.check(functions.recordEvent(event, state.stream), "cuEventRecord")
      state.recorded.append(event)
    }
  }

  func completedBatches() throws(DeviceError) -> Int {
    let functions = device.functions
    try device.enter()
    return try state.withLock { state throws(DeviceError) in
      while state.next < state.recorded.count {
        let event = state.recorded[state.next]
        let code = functions.queryEvent(event)
        guard code != CU_NOT_READY else { break }
        try functions.check(code, "cuEventQuery")
        state.spare.append(event)
        state.next += 1
        state.completed += 1
      }
      if state.next == state.recorded.count {
        state.recorded.removeAll(keepingCapacity: true)
        state.next = 0
      }
      return state.completed
    }
  }

  private static func makeEvent(_ functions: CUDAFunctions) throws(DeviceError) -> cu_event {
    var event: cu_event?
    try functions.check(functions.createEvent(&event, UInt32(CU_EVENT_WITHOUT_TIMING)), "cuEventCreate")
    guard let event else { throw .failed("cuEventCreate gave no event") }
    return event
  }
}
