import COneDNN

/// What a oneDNN product is planned for: [rows, inputs] x [inputs, outputs], rows close together.
struct ProductShape: Hashable {
  var rows: Int
  var inputs: Int
  var outputs: Int
  var type: ComputeType
}

/// A planned product target[rows, outputs] = source[rows, inputs] x weights. Any thread may execute it, several at once.
final class ProductPrimitive: @unchecked Sendable {
  // Sendable: oneDNN's primitives are immutable; scratch memory is the caller's.
  let source: dnnl_memory_desc_t
  let weights: dnnl_memory_desc_t
  let target: dnnl_memory_desc_t
  let scratch: dnnl_memory_desc_t
  let scratchBytes: Int
  /// What oneDNN calls the code it chose, e.g. `brg:avx512_core_bf16`.
  let implementation: String
  private let primitive: dnnl_primitive_t

  /// - Parameter weights: how the weights lie; nil lets oneDNN choose, see `weights` afterwards.
  /// - Throws: `.oneDNN`.
  init(_ shape: ProductShape, weights fixed: dnnl_memory_desc_t?) throws(ComputeError) {
    let operation = "plan a \(shape.rows) x \(shape.inputs) x \(shape.outputs) product in \(shape.type.rawValue)"
    let engine = try OneDNN.shared().engine
    let type = shape.type.oneDNNType
    source = try Self.matrix([shape.rows, shape.inputs], stride: shape.inputs, type: type)
    target = try Self.matrix([shape.rows, shape.outputs], stride: shape.outputs, type: dnnl_f32)
    var wanted = dnnl_memory_desc_t()
    if let fixed {
      wanted = fixed
    } else {
      let dimensions = [Int64(shape.inputs), Int64(shape.outputs)]
      try OneDNN.check(dnnl_memory_desc_init_by_tag(&wanted, 2, dimensions, type, dnnl_format_tag_any), operation)
    }
    var product = dnnl_matmul_desc_t()
    var (from, to) = (source, target)
    try OneDNN.check(dnnl_matmul_desc_init(&product, &from, &wanted, nil, &to), operation)
    var attributes: dnnl_primitive_attr_t?
    try OneDNN.check(dnnl_primitive_attr_create(&attributes), operation)
    defer { dnnl_primitive_attr_destroy(attributes) }
    try OneDNN.check(dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user), operation)
    var plan: dnnl_primitive_desc_t?
    try OneDNN.check(dnnl_primitive_desc_create(&plan, &product, attributes, engine, nil), operation)
    defer { dnnl_primitive_desc_destroy(plan) }
    weights = dnnl_primitive_desc_query_md(plan, dnnl_query_weights_md, 0).pointee
    scratch = dnnl_primitive_desc_query_md(plan, dnnl_query_scratchpad_md, 0).pointee
    scratchBytes = withUnsafePointer(to: scratch) { dnnl_memory_desc_get_size($0) }
    var name: UnsafePointer<CChar>?
    try OneDNN.check(dnnl_primitive_desc_query(plan, dnnl_query_impl_info_str, 0, &name), operation)
    implementation = name.map { String(cString: $0) } ?? ""
    var primitive: dnnl_primitive_t?
    try OneDNN.check(dnnl_primitive_create(&primitive, plan), operation)
    guard let primitive else { throw .oneDNN(operation: operation, status: 0) }
    self.primitive = primitive
  }

  deinit {
    dnnl_primitive_destroy(primitive)
  }

  /// - Parameters: as in the shape it was planned for, in bytes that oneDNN only reads but for `target`.
  func execute(
    source: UnsafeRawPointer, weights: UnsafeRawPointer, target: UnsafeMutableRawPointer, on thread: ThreadContext
  ) throws(ComputeError) {
    let scratchpad = thread.scratch(byteCount: scratchBytes)
    let memories = [
      (DNNL_ARG_SRC, try Self.memory(self.source, UnsafeMutableRawPointer(mutating: source))),
      (DNNL_ARG_WEIGHTS, try Self.memory(self.weights, UnsafeMutableRawPointer(mutating: weights))),
      (DNNL_ARG_DST, try Self.memory(self.target, target)),
      (DNNL_ARG_SCRATCHPAD, try Self.memory(scratch, scratchpad)),
    ]
    defer { for (_, memory) in memories { dnnl_memory_destroy(memory) } }
    let arguments = memories.map { dnnl_exec_arg_t(arg: $0.0, memory: $0.1) }
    try OneDNN.check(
      dnnl_primitive_execute(primitive, thread.stream, Int32(arguments.count), arguments), "multiply matrices")
    try OneDNN.check(dnnl_stream_wait(thread.stream), "multiply matrices")
  }

  static func memory(
    _ description: dnnl_memory_desc_t, _ bytes: UnsafeMutableRawPointer
  ) throws(ComputeError) -> dnnl_memory_t? {
    var memory: dnnl_memory_t?
    var description = description
    try OneDNN.check(dnnl_memory_create(&memory, &description, OneDNN.shared().engine, bytes), "describe a matrix")
    return memory
  }

  private static func matrix(
    _ dimensions: [Int], stride: Int, type: dnnl_data_type_t
  ) throws(ComputeError) -> dnnl_memory_desc_t {
    var description = dnnl_memory_desc_t()
    let strides = [Int64(stride), 1]
    try OneDNN.check(
      dnnl_memory_desc_init_by_strides(&description, 2, dimensions.map(Int64.init), type, strides), "describe a matrix")
    return description
  }
}
