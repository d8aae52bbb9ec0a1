import Crypto
import FoundationEssentials
import Glibc
import Inference
import TierCore

/// A prompt and its answer. Where the daemon goes away in the middle, the worker waits for it, bounded, and goes on: what
/// the store still holds of the prompt is not read again, and what was said is fed in again token by token, as it was made.
final class Answer {
  private let reader: Reader
  private let tokenizer: Tokenizer
  private let prompt: [UInt32]
  private let maxNewTokens: Int
  private let tracePath: String?
  private let dumpPath: String?
  private let shared: SharedOptions
  private var sampler: Sampler
  private var decoder: StreamingDecoder
  private var digest = SHA256()
  private(set) var said = ""
  private(set) var tokens: [UInt32] = []
  private(set) var reconnects = 0

  /// How long the daemon may be away.
  private static let absenceLimitS = 60.0
  private static let reconnectsMost = 1000

  init(
    reader: Reader, tokenizer: Tokenizer, prompt: [UInt32], maxNewTokens: Int, sampler: Sampler, tracePath: String?,
    dumpPath: String?, shared: SharedOptions
  ) {
    self.reader = reader
    self.tokenizer = tokenizer
    self.prompt = prompt
    self.maxNewTokens = maxNewTokens
    self.sampler = sampler
    self.tracePath = tracePath
    self.dumpPath = dumpPath
    self.shared = shared
    decoder = StreamingDecoder(tokenizer, skippingSpecial: true)
  }

  /// Of the bits of all logits a token was chosen from, in order.
  var logitsSha256: String {
    digest.finalize().map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
  }

  func run() throws -> RunReport {
    var store = try Store(shared)
    while true {
      do {
        defer { store.close() }
        return try attempt(store)
      } catch  where mayGoOn(after: error) {
        reconnects += 1
        store = try awaitDaemon(error)
      }
    }
  }

  private func mayGoOn(after error: any Error) -> Bool {
    // A dump is of one computation.
    guard !shared.embedded, dumpPath == nil, reconnects < Self.reconnectsMost else { return false }
    switch error {
    case KVError.residency(.unavailable), ResidencyError.unavailable: return true
    default: return false
    }
  }

  /// Connects again, as soon as that is possible.
  private func awaitDaemon(_ error: any Error) throws -> Store {
    Terminal.error("the daemon went away: waiting up to \(Int(Self.absenceLimitS)) s for it to come back\n")
    let clock = ContinuousClock()
    let began = clock.now
    while true {
      do {
        let store = try Store(shared)
        let seconds = (clock.now - began).components
        Terminal.error(
          "the daemon is back after \(seconds.seconds * 1000 + seconds.attoseconds / 1_000_000_000_000_000) ms\n")
        return store
      } catch let fault as WorkerFault {
        guard clock.now - began < .seconds(Self.absenceLimitS) else { throw fault }
      }
      usleep(20_000)
    }
  }

  private func attempt(_ store: Store) throws -> RunReport {
    let trace = try tracePath.map { try RunTrace($0, storeName: store.processName) }
    try trace?.follow(store.session, "kv")
    let before = try store.session.statistics()
    let kv = try reader.open(store, prompt: prompt.count, growth: maxNewTokens, observer: trace)
    let model = try reader.load(store, for: kv, trace: trace)
    let dump = try dumpPath.map { try KVDump($0, kv.layout) }
    if let dump { kv.onBlock = { dump.take(layer: $0, index: $1, $2) } }
    let bar = ProgressBar(label: "reading")
    var chunks = 0
    // What is to be dumped is computed here, whatever the store has.
    let prefill = try Prefill(chunkTokens: model.maxTokens, reusesCachedBlocks: dump == nil).run(
      prompt, model: model, kv: kv,
      progress: { progress in
        chunks = progress.chunks
        if Terminal.errorIsTerminal { bar.show(progress, try store.session.statistics()) }
      })
    bar.clear()
    kv.onBlock = nil
    try dump?.finish()
    try decode(model, kv, afterRow: (prefill.computedTokens - 1) % model.maxTokens)
    try kv.close()
    let report = RunReport(prefill, kv.statistics, before, try store.session.statistics(), chunks: chunks)
    try trace?.finish()
    return report
  }

  /// Goes on after the tokens said so far.
  private func decode(_ model: Transformer, _ kv: TieredKV, afterRow row: Int) throws {
    let before = tokens
    var (chosen, emitted) = (0, 0)
    let isReported = shared.json || shared.jsonFile != nil
    _ = try Decoder(model: model, kv: kv).run(
      count: maxNewTokens, afterRow: row,
      choose: { logits in
        defer { chosen += 1 }
        if chosen < before.count { return before[chosen] }
        if isReported { digest.update(bufferPointer: UnsafeRawBufferPointer(logits)) }
        return try sampler.next(logits)
      },
      isEnd: tokenizer.endTokens.contains,
      emit: { token in
        defer { emitted += 1 }
        guard emitted >= before.count else { return }
        tokens.append(token)
        say(try decoder.append(token))
      })
    say(decoder.finish())
  }

  private func say(_ piece: String) {
    said += piece
    if !shared.json { Terminal.output(piece) }
  }
}
