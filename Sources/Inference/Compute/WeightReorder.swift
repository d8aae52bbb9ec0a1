import COneDNN

/// Lays weights out as oneDNN's products want them.
enum WeightReorder {
  /// - Parameters:
  ///   - plain: [outputs][inputs] in `type`.
  ///   - blocks: as many bytes as `layout` describes.
  static func run(
    _ plain: AlignedBuffer, inputs: Int, outputs: Int, type: ComputeType, into blocks: UnsafeMutableRawPointer,
    layout: dnnl_memory_desc_t, on thread: ThreadContext
  ) throws(ComputeError) {
    let engine = try OneDNN.shared().engine
    var (from, to) = (dnnl_memory_desc_t(), layout)
    let dimensions = [Int64(inputs), Int64(outputs)]
    try OneDNN.check(
      dnnl_memory_desc_init_by_strides(&from, 2, dimensions, type.oneDNNType, [1, Int64(inputs)]), "describe weights")
    var plan: dnnl_primitive_desc_t?
    try OneDNN.check(dnnl_reorder_primitive_desc_create(&plan, &from, engine, &to, engine, nil), "plan a reorder")
    defer { dnnl_primitive_desc_destroy(plan) }
    var primitive: dnnl_primitive_t?
    try OneDNN.check(dnnl_primitive_create(&primitive, plan), "plan a reorder")
    defer { dnnl_primitive_destroy(primitive) }
    let source = try ProductPrimitive.memory(from, plain.base)
    defer { dnnl_memory_destroy(source) }
    let target = try ProductPrimitive.memory(to, blocks)
    defer { dnnl_memory_destroy(target) }
    let arguments = [
      dnnl_exec_arg_t(arg: DNNL_ARG_FROM, memory: source), dnnl_exec_arg_t(arg: DNNL_ARG_TO, memory: target),
    ]
    try OneDNN.check(dnnl_primitive_execute(primitive, thread.stream, 2, arguments), "lay out weights")
    try OneDNN.check(dnnl_stream_wait(thread.stream), "lay out weights")
  }
}
