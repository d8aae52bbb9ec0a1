import Inference
import TierCore

/// One line on a terminal's standard error, drawn anew; nothing on a pipe.
struct ProgressBar {
  let label: String
  private static let width = 24

  func show(_ done: Int, of total: Int, note: String) {
    guard Terminal.errorIsTerminal, total > 0 else { return }
    let filled = Self.width * done / total
    let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: Self.width - filled)
    Terminal.error("\r\u{1B}[K\(label) \(bar) \(done)/\(total) \(note)")
  }

  func clear() { if Terminal.errorIsTerminal { Terminal.error("\r\u{1B}[K") } }

  /// Chunks, tokens a second, the time left, and what is on which tier.
  func show(_ progress: Prefill.Progress, _ store: StoreStatistics?) {
    let rate = progress.tokensPerSecond
    let left = rate > 0 ? Int(Double(progress.tokensTotal - progress.tokens) / rate) : 0
    var note = "chunks  \(Int(rate)) tokens/s  \(left) s left"
    if let store {
      for (name, tier) in [("device", store.device), ("host", store.host), ("disk", store.disk)] {
        note += "  \(name) \(ByteCount.text(tier.usedBytes))"
      }
    }
    show(progress.chunks, of: progress.chunksTotal, note: note)
  }
}
