// The table of each level, and the public entry points that go through it.
#include "variants.h"

#define CK_TABLE(level, target)                     \
  const ck_kernels ck_kernels_##level = {           \
      .f32_to_bf16 = ck_f32_to_bf16_##level,        \
      .bf16_to_f32 = ck_bf16_to_f32_##level,        \
      .f32_to_f16 = ck_f32_to_f16_##level,          \
      .f16_to_f32 = ck_f16_to_f32_##level,          \
      .dequantize = ck_dequantize_##level,          \
      .dot_quantized = ck_dot_quantized_##level,    \
      .rms_norm = ck_rms_norm_##level,              \
      .rope = ck_rope_##level,                      \
      .silu_mul = ck_silu_mul_##level,              \
      .gelu_tanh_mul = ck_gelu_tanh_mul_##level,    \
      .add = ck_add_##level,                        \
      .scale = ck_scale_##level,                    \
      .soft_cap = ck_soft_cap_##level,              \
      .attend_finish = ck_attend_finish_##level,    \
  };
CK_VARIANTS(CK_TABLE)

void ck_f32_to_bf16(const float *in, uint16_t *out, size_t n) { ck_active_kernels()->f32_to_bf16(in, out, n); }
void ck_bf16_to_f32(const uint16_t *in, float *out, size_t n) { ck_active_kernels()->bf16_to_f32(in, out, n); }
void ck_f32_to_f16(const float *in, uint16_t *out, size_t n) { ck_active_kernels()->f32_to_f16(in, out, n); }
void ck_f16_to_f32(const uint16_t *in, float *out, size_t n) { ck_active_kernels()->f16_to_f32(in, out, n); }

void ck_dequantize(ck_quant q, const void *in, float *out, size_t n) {
  ck_require(n % ck_quant_block_elements(q) == 0);
  ck_active_kernels()->dequantize(q, in, out, n);
}

float ck_dot_quantized(ck_quant q, const void *row, const float *x, size_t n) {
  ck_require(n % ck_quant_block_elements(q) == 0);
#if CK_X86
  if (ck_get_level() >= CK_AVX512) return ck_dot_quantized_fast(q, row, x, n);
#endif
  return ck_active_kernels()->dot_quantized(q, row, x, n);
}

void ck_rms_norm(const float *x, const float *weight, float eps, void *out, ck_dtype dtype, size_t rows, size_t n) {
  ck_active_kernels()->rms_norm(x, weight, eps, out, dtype, rows, n);
}

void ck_rope(float *x, const float *cos, const float *sin, size_t rows, size_t heads, size_t head_dim) {
  ck_require(head_dim % 2 == 0);
  ck_active_kernels()->rope(x, cos, sin, rows, heads, head_dim);
}

void ck_silu_mul(const float *gate, const float *up, size_t in_stride, void *out, ck_dtype dtype, size_t rows,
                 size_t n) {
  ck_require(in_stride >= n || rows <= 1);
  ck_active_kernels()->silu_mul(gate, up, in_stride, out, dtype, rows, n);
}

void ck_gelu_tanh_mul(const float *gate, const float *up, size_t in_stride, void *out, ck_dtype dtype, size_t rows,
                      size_t n) {
  ck_require(in_stride >= n || rows <= 1);
  ck_active_kernels()->gelu_tanh_mul(gate, up, in_stride, out, dtype, rows, n);
}

void ck_add(float *x, const float *y, size_t n) { ck_active_kernels()->add(x, y, n); }

void ck_scale(float *x, float factor, size_t n) { ck_active_kernels()->scale(x, factor, n); }

void ck_soft_cap(float *x, float cap, size_t n) {
  ck_require(cap > 0);
  ck_active_kernels()->soft_cap(x, cap, n);
}

void ck_attend_finish(const float *o, const float *l, size_t rows, size_t head_dim, void *out, ck_dtype dtype,
                      size_t out_stride) {
  ck_require(out_stride >= head_dim || rows <= 1);
  ck_active_kernels()->attend_finish(o, l, rows, head_dim, out, dtype, out_stride);
}
