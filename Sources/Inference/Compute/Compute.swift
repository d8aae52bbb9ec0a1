import CKernels
import COneDNN
import Synchronization

/// What computes: the threads, each with its own memory, and the products planned so far. One forward pass at a time.
public final class Compute: Sendable {
  public let type: ComputeType
  public let pool: WorkerPool
  let threads: [ThreadContext]
  /// Whether products in bf16 are our own AMX kernels.
  let usesTiles: Bool
  private let products = Mutex(ProductCache())
  /// One for each shape of panel a model has.
  private let layouts = Mutex<[ProductShape: OneDNNLayout]>([:])

  /// - Parameters:
  ///   - type: of weights, activations and the cache.
  ///   - threadCount: threads to compute on, the caller's included; at least 1.
  /// - Throws: `.threadNotStarted`, `.oneDNN`.
  public convenience init(type: ComputeType, threadCount: Int) throws(ComputeError) {
    try self.init(type: type, threadCount: threadCount, allowsTiles: true)
  }

  init(type: ComputeType, threadCount: Int, allowsTiles: Bool) throws(ComputeError) {
    self.type = type
    usesTiles = allowsTiles && type == .bf16 && ck_matmul_available()
    pool = try WorkerPool(threadCount: threadCount)
    var threads: [ThreadContext] = []
    for _ in 0..<threadCount { threads.append(try ThreadContext()) }
    self.threads = threads
  }

  /// Row counts a oneDNN product is planned for: fewer rows are padded to the next of them.
  static let rowSizes = [1, 4, 16, 64, 128, maxRows]
  /// Rows of one product at most; more are several products.
  static let maxRows = 256

  /// Products planned at this moment: bounded, whatever the context length.
  public var plannedProducts: Int { products.withLock { $0.count } }

  /// How oneDNN wants the weights of a product to lie.
  func blockLayout(_ shape: ProductShape) throws(ComputeError) -> dnnl_memory_desc_t {
    if let found = layouts.withLock({ $0[shape] }) { return found.description }
    let layout = try ProductPrimitive(shape, weights: nil).weights
    layouts.withLock { $0[shape] = OneDNNLayout(description: layout) }
    return layout
  }

  func product(_ shape: ProductShape, weights: dnnl_memory_desc_t) throws(ComputeError) -> ProductPrimitive {
    let found = products.withLock { $0.find(shape) }
    if let found { return found }
    let planned = try ProductPrimitive(shape, weights: weights)
    products.withLock { $0.insert(planned, for: shape) }
    return planned
  }
}

/// The products planned lately, the least recently used going first.
struct ProductCache {
  static let capacity = 256

  private var entries: [ProductShape: (primitive: ProductPrimitive, lastUse: UInt64)] = [:]
  private var clock: UInt64 = 0

  var count: Int { entries.count }

  mutating func find(_ shape: ProductShape) -> ProductPrimitive? {
    clock += 1
    entries[shape]?.lastUse = clock
    return entries[shape]?.primitive
  }

  mutating func insert(_ primitive: ProductPrimitive, for shape: ProductShape) {
    clock += 1
    if entries.count >= Self.capacity, let oldest = entries.min(by: { $0.value.lastUse < $1.value.lastUse }) {
      entries[oldest.key] = nil
    }
    entries[shape] = (primitive, clock)
  }
}

/// What one thread of the pool computes with, and no other.
final class ThreadContext: @unchecked Sendable {
  // Sendable: handed out by thread number, so that one thread at a time uses it.
  let stream: dnnl_stream_t
  private var scratchpad = AlignedBuffer(byteCount: 0)

  init() throws(ComputeError) {
    var stream: dnnl_stream_t?
    try OneDNN.check(
      dnnl_stream_create(&stream, OneDNN.shared().engine, dnnl_stream_default_flags.rawValue), "start a stream")
    guard let stream else { throw .oneDNN(operation: "start a stream", status: 0) }
    self.stream = stream
  }

  deinit {
    dnnl_stream_destroy(stream)
  }

  /// Bytes for one product, until the next call.
  func scratch(byteCount: Int) -> UnsafeMutableRawPointer {
    if scratchpad.bytes.count < byteCount { scratchpad = AlignedBuffer(byteCount: byteCount) }
    return scratchpad.base
  }
}
