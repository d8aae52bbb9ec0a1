import Glibc

/// What the thread that drives a run does at a time. Spans nest: a chunk has layers, a layer has the rest.
public enum RunSpan: Sendable, Hashable {
  case chunk(firstToken: Int, tokens: Int)
  case layer(Int)
  /// Norm, q, k, v and rope.
  case project
  case attendOwn(blocks: Int)
  case attendPast(blocks: Int)
  /// Output projection and feed-forward.
  case transform
  /// Logits.
  case head
  /// Weights that the store had let go, from the model's file.
  case pack(layer: Int)
  case wait(WaitCause)
}

/// What a run waits for when it has nothing to compute.
public enum WaitCause: String, Sendable, Hashable, CaseIterable {
  case admission
  /// The store taking note of block ids.
  case names
  /// Room to write the layer's own blocks to.
  case staging = "staging slots"
  /// Past blocks of the layer.
  case blocks
  /// Answers the store owes, before lost blocks are computed again.
  case answers
  /// The store taking in what was sealed.
  case seals
  case close
  /// Weights that are on their way to the compute tier.
  case weights
}

/// Told what a run does. Called on the thread that drives it.
public protocol RunObserver: AnyObject {
  /// A span ended. Times are of CLOCK_MONOTONIC.
  func record(_ span: RunSpan, beganNs: UInt64, endedNs: UInt64)
  /// A layer is done: a moment to look after what was gathered.
  func layerEnded()
}

/// The clock of spans: CLOCK_MONOTONIC, which the store's moves are timed by too.
public enum RunClock {
  public static func nowNs() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }
}

extension Optional where Wrapped == any RunObserver {
  /// Runs `body`, whose time goes to the observer if there is one.
  func measure<Result>(_ span: @autoclosure () -> RunSpan, _ body: () throws -> Result) rethrows -> Result {
    guard let observer = self else { return try body() }
    let beganNs = RunClock.nowNs()
    defer { observer.record(span(), beganNs: beganNs, endedNs: RunClock.nowNs()) }
    return try body()
  }
}
