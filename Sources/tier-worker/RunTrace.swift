import Glibc
import Inference
import TierCore
import TierTrace

/// `--trace FILE`: what a run computed, waited for and had moved, written as it happens, so that a trace of any length takes
/// the memory of a few events.
final class RunTrace: RunObserver {
  private struct Source {
    let session: any TracedSession
    /// What its blocks are: `kv`, `weights`.
    let name: String
  }

  private let path: String
  private let descriptor: Int32
  private var writer = TraceWriter()
  private var sources: [Source] = []
  private var namedTracks: Set<TraceWriter.Track> = []
  private var fault: WorkerFault?

  private static let bufferBytes = 64 << 10
  private static let worker = TraceWriter.Track(process: TraceNames.worker, thread: 1)
  private static let store = TraceWriter.Track(process: TraceNames.store, thread: 0)

  /// - Parameter storeName: what the store's process is called in the trace.
  init(_ path: String, storeName: String) throws {
    self.path = path
    descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else {
      throw WorkerFault(message: "cannot write \(path): \(String(cString: strerror(errno)))", exitCode: 74)
    }
    writer.nameProcess(TraceNames.worker, "tier-worker \(getpid())")
    writer.nameThread(Self.worker, "compute")
    writer.nameProcess(TraceNames.store, storeName)
  }

  // Of a run that failed, what led there.
  deinit {
    flush(unless: 0)
    close(descriptor)
  }

  /// Has the store record the moves of what this session names from now on.
  func follow(_ session: any TracedSession, _ name: String) throws {
    sources.append(Source(session: session, name: name))
    note(try session.takeTrace(), of: sources[sources.count - 1])
  }

  // MARK: RunObserver

  func record(_ span: RunSpan, beganNs: UInt64, endedNs: UInt64) {
    let (category, name, arguments) = Self.described(span)
    writer.complete(name, category: category, on: Self.worker, beganNs: beganNs, endedNs: endedNs, arguments)
    flush(unless: Self.bufferBytes)
  }

  func layerEnded() { gather() }

  /// Takes what the store has recorded. What goes wrong is said by `finish`.
  func gather() {
    do {
      for source in sources {
        // What comes while we ask is for the next time.
        var left = 1
        while left > 0 {
          let trace = try source.session.takeTrace()
          note(trace, of: source)
          left = left == 1 ? trace.left : left - trace.records.count
        }
      }
    } catch {
      fault = fault ?? WorkerFault(error)
    }
    flush(unless: Self.bufferBytes)
  }

  /// Writes the rest. Throws where the trace is not whole.
  func finish() throws {
    gather()
    writer.finish()
    flush(unless: 0)
    if let fault { throw fault }
  }

  private static func described(_ span: RunSpan) -> (category: String, name: String, TraceWriter.Arguments) {
    switch span {
    case .chunk(let first, let tokens):
      (TraceNames.step, "chunk", ["first_token": .number(first), "tokens": .number(tokens)])
    case .layer(let layer): (TraceNames.step, "layer \(layer)", ["layer": .number(layer)])
    case .project: (TraceNames.compute, "matmuls: q, k, v", [:])
    case .attendOwn(let blocks): (TraceNames.compute, "attention: own blocks", ["blocks": .number(blocks)])
    case .attendPast(let blocks): (TraceNames.compute, "attention: past blocks", ["blocks": .number(blocks)])
    case .transform: (TraceNames.compute, "matmuls: output, feed-forward", [:])
    case .head: (TraceNames.compute, "matmuls: head", [:])
    case .pack(let layer): (TraceNames.compute, "pack weights", ["layer": .number(layer)])
    case .wait(let cause): (TraceNames.wait, cause.rawValue, [:])
    }
  }

  private func note(_ trace: MoveTrace, of source: Source) {
    for record in trace.records {
      switch record {
      case .statistics(let atNs):
        writer.instant(TraceNames.statistics, category: TraceNames.mark, on: Self.store, atNs: atNs)
      case .move(let move): note(move, of: source)
      }
    }
    if trace.dropped > 0 {
      writer.instant(
        TraceNames.dropped, category: TraceNames.mark, on: Self.store, atNs: RunClock.nowNs(),
        ["records": .number(trace.dropped)])
    }
  }

  private func note(_ move: TracedMove, of source: Source) {
    let link = TraceNames.link(move.link.ends)
    let track = TraceWriter.Track(
      process: TraceNames.store, thread: Int(move.link.rawValue) * TracedMove.maxMovers + move.mover)
    if namedTracks.insert(track).inserted {
      writer.nameThread(track, move.mover == 0 ? link : "\(link) (\(move.mover + 1))")
    }
    let name = "\(source.name) layer \(move.layer) block \(move.block)"
    let (began, ended) = (move.beganNs, move.endedNs)
    func complete(_ arguments: TraceWriter.Arguments) {
      writer.complete(name, category: TraceNames.move, on: track, beganNs: began, endedNs: ended, arguments)
    }
    let (sequence, layer) = (
      TraceWriter.Value.number(Int(move.sequence.rawValue)), TraceWriter.Value.number(move.layer)
    )
    let (block, bytes) = (TraceWriter.Value.number(move.block), TraceWriter.Value.number(move.bytes))
    if move.outcome == .moved {
      complete(["link": .text(link), "sequence": sequence, "layer": layer, "block": block, "bytes": bytes])
    } else {
      complete([
        "link": .text(link), "sequence": sequence, "layer": layer, "block": block, "bytes": bytes,
        "outcome": .text("\(move.outcome)"),
      ])
    }
  }

  private func flush(unless limit: Int) {
    guard writer.pendingBytes > limit else { return }
    let bytes = writer.takeBytes()
    guard fault == nil else { return }
    var written = 0
    while written < bytes.count {
      let count = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress! + written, bytes.count - written) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else {
        fault = WorkerFault(message: "cannot write \(path): \(String(cString: strerror(errno)))", exitCode: 74)
        return
      }
      written += count
    }
  }
}
