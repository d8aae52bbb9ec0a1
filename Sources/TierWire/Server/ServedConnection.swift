import CLinux
import Glibc
import TierCore

/// One worker's connection, from accept to the end, on a thread of its own: it receives, hands each request to the
/// session, and the session's replies go out from whatever thread they arise on.
struct ServedConnection: Sendable {
  let socket: FrameSocket
  let pid: Int32
  let uid: UInt32
  let gid: UInt32
  let host: any SessionHost
  let store: StoreInstance
  let limits: WorkerServer.Limits
  let report: @Sendable (String) -> Void

  func run() {
    let buffer = FrameBuffer()
    guard let hello = greet(buffer) else { return }
    guard let version = hello.agreedVersion() else {
      let versions = "\(hello.minVersion) to \(hello.maxVersion)"
      return refuse(
        Failure(
          .incompatible,
          "this daemon speaks versions \(ProtocolVersion.min) to \(ProtocolVersion.max) of the worker protocol, "
            + "not \(versions): install matching versions"))
    }
    let peer = PeerCredentials(pid: pid, uid: uid, gid: gid, clientName: hello.clientName)
    let outbox = ConnectionOutbox(socket: socket, stallMs: limits.stallMs, version: version)
    let session: any HostedSession
    do {
      session = try host.connect(peer: peer, outbox: outbox)
    } catch {
      refuse(Failure(.unavailable, Self.text(of: error)))
      _ = outbox.finish()
      return
    }
    do throws(FrameError) {
      outbox.open(with: try ServerMessage.welcome(Welcome(version: version, store: store)).frames()[0])
      serve(session, outbox, buffer, version)
    } catch {
      outbox.fail(Failure(.unavailable, error.message))
    }
    let reason = outbox.finish()
    session.disconnect()
    if let reason { report("\(name) disconnected: \(reason)") }
  }

  private var name: String { "worker pid \(pid) uid \(uid)" }

  private func serve(
    _ session: any HostedSession, _ outbox: ConnectionOutbox, _ buffer: FrameBuffer, _ version: UInt32
  ) {
    var spin = ReceiveSpin()
    while true {
      switch socket.receive(into: buffer, spin: &spin) {
      case .frame(let size, let descriptors):
        for descriptor in descriptors { close(descriptor) }
        // Once the connection is ending, what still comes is let fall until the worker hangs up too.
        guard outbox.isOpen else { continue }
        guard descriptors.isEmpty else {
          outbox.fail(Failure(.malformed, FrameError.descriptors("a worker sends none").message))
          continue
        }
        handle(buffer.frame(size), session, outbox, version)
      case .oversized: outbox.fail(Failure(.malformed, FrameError.tooLarge.message))
      case .tooManyDescriptors:
        outbox.fail(Failure(.malformed, FrameError.descriptors("a worker sends none").message))
      case .interrupted, .nothing: continue
      case .closed: return
      case .failed(let cause): return outbox.fail(Failure(.unavailable, "cannot receive: \(errorText(cause))"))
      }
    }
  }

  private func handle(
    _ frame: UnsafeRawBufferPointer, _ session: any HostedSession, _ outbox: ConnectionOutbox, _ version: UInt32
  ) {
    do throws(FrameError) {
      switch try ClientMessage(frame: frame) {
      case .request(.open(let plan)) where !plan.reach.isEmpty && version < ProtocolVersion.reach:
        throw FrameError.malformed("version \(version) has no reach of layers")
      case .request(let request): session.handle(request)
      case .statisticsQuery: outbox.answer(session.statistics())
      case .traceQuery:
        guard version >= ProtocolVersion.traces else { throw FrameError.malformed("version \(version) has no traces") }
        outbox.answer(session.takeTrace())
      case .hello: throw FrameError.malformed("a second hello")
      }
    } catch {
      outbox.fail(Failure(.malformed, error.message))
    }
  }

  /// Waits for the hello, within the handshake's deadline; nil where none came that can be answered.
  private func greet(_ buffer: FrameBuffer) -> Hello? {
    let deadline = Deadline(afterMs: limits.handshakeMs)
    while true {
      let remainingMs = deadline.remainingMs
      guard remainingMs > 0, tierd_set_receive_timeout(socket.descriptor, Int64(remainingMs)) == 0 else {
        refuse(Failure(.unavailable, "no hello within \(limits.handshakeMs) ms"))
        return nil
      }
      switch socket.receive(into: buffer, wait: true) {
      case .interrupted, .nothing: continue
      case .closed: return nil
      case .failed(let cause):
        report("\(name): cannot receive: \(errorText(cause))")
        return nil
      case .oversized: refuse(Failure(.malformed, FrameError.tooLarge.message))
      case .tooManyDescriptors: refuse(Failure(.malformed, FrameError.descriptors("a worker sends none").message))
      case .frame(let size, let descriptors):
        for descriptor in descriptors { close(descriptor) }
        guard let hello = hello(in: buffer.frame(size), descriptors: descriptors.count) else { return nil }
        guard tierd_set_receive_timeout(socket.descriptor, 0) == 0 else {
          refuse(Failure(.unavailable, "cannot wait for requests: \(errorText(errno))"))
          return nil
        }
        return hello
      }
      return nil
    }
  }

  private func hello(in frame: UnsafeRawBufferPointer, descriptors: Int) -> Hello? {
    do throws(FrameError) {
      guard descriptors == 0 else { throw FrameError.descriptors("a worker sends none") }
      guard case .hello(let hello) = try ClientMessage(frame: frame) else {
        throw FrameError.malformed("the first frame is no hello")
      }
      return hello
    } catch {
      refuse(Failure(.malformed, error.message))
      return nil
    }
  }

  private func refuse(_ failure: Failure) {
    Self.refuse(socket, failure)
    report("\(name) refused: \(failure.text)")
  }

  /// Says why, as far as the worker's socket takes it, and hangs up.
  static func refuse(_ socket: FrameSocket, _ failure: Failure) {
    defer { socket.hangUp() }
    guard let frames = try? ServerMessage.failure(failure).frames() else { return }
    for frame in frames { _ = socket.send(frame, wait: false) }
  }

  private static func text(of error: any Error) -> String {
    (error as? ResidencyError)?.message ?? "\(error)"
  }
}
