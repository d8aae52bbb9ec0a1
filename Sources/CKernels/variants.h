// One body, several instruction sets. A body is written once in plain C, always inlined, and compiled into one
// function per level with that level's target attribute, where the compiler vectorises it. With contraction off (no
// fused multiply-add) every level gives the same bits.
#ifndef CK_VARIANTS_H
#define CK_VARIANTS_H

#include "kernels.h"

#define CK_TARGET_SCALAR
#define CK_TARGET_AVX2 __attribute__((target("avx2,fma,f16c")))
#define CK_TARGET_AVX512 __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")))

#if CK_X86
#define CK_VARIANTS(DEFINE)        \
  DEFINE(scalar, CK_TARGET_SCALAR) \
  DEFINE(avx2, CK_TARGET_AVX2)     \
  DEFINE(avx512, CK_TARGET_AVX512)
#else
#define CK_VARIANTS(DEFINE) DEFINE(scalar, CK_TARGET_SCALAR)
#endif

#define CK_DECLARE(level, target)                                                                                     \
  void ck_f32_to_bf16_##level(const float *in, uint16_t *out, size_t n);                                              \
  void ck_bf16_to_f32_##level(const uint16_t *in, float *out, size_t n);                                              \
  void ck_f32_to_f16_##level(const float *in, uint16_t *out, size_t n);                                               \
  void ck_f16_to_f32_##level(const uint16_t *in, float *out, size_t n);                                               \
  void ck_dequantize_##level(ck_quant q, const void *in, float *out, size_t n);                                       \
  float ck_dot_quantized_##level(ck_quant q, const void *row, const float *x, size_t n);                              \
  void ck_rms_norm_##level(const float *x, const float *weight, float eps, void *out, ck_dtype dtype, size_t rows,    \
                           size_t n);                                                                                 \
  void ck_rope_##level(float *x, const float *cos, const float *sin, size_t rows, size_t heads, size_t head_dim);     \
  void ck_silu_mul_##level(const float *gate, const float *up, size_t in_stride, void *out, ck_dtype dtype,           \
                           size_t rows, size_t n);                                                                    \
  void ck_gelu_tanh_mul_##level(const float *gate, const float *up, size_t in_stride, void *out, ck_dtype dtype,      \
                                size_t rows, size_t n);                                                               \
  void ck_add_##level(float *x, const float *y, size_t n);                                                            \
  void ck_scale_##level(float *x, float factor, size_t n);                                                            \
  void ck_soft_cap_##level(float *x, float cap, size_t n);                                                            \
  void ck_attend_finish_##level(const float *o, const float *l, size_t rows, size_t head_dim, void *out,              \
                                ck_dtype dtype, size_t out_stride);
CK_VARIANTS(CK_DECLARE)
#undef CK_DECLARE

#if CK_X86
/// Written for AVX-512 by hand: nibbles do not widen well by themselves.
float ck_dot_quantized_fast(ck_quant q, const void *row, const float *x, size_t n);
#endif

#endif
