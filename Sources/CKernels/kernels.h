// What one level provides, and how the public entry points find it. Private to this target.
#ifndef CK_KERNELS_H
#define CK_KERNELS_H

#include "CKernels.h"

#if defined(__x86_64__)
#define CK_X86 1
#else
#define CK_X86 0
#endif

enum {
  CK_MAX_HEAD_DIM = 256,
  CK_MAX_TOKENS = 65536,
  // Tokens scored at once: bounds the scores kept on the stack. A longer block rescales its state once per span.
  CK_SPAN_TOKENS = 256,
};

/// Conversions and elementwise kernels of one level; signatures as in CKernels.h.
typedef struct {
  void (*f32_to_bf16)(const float *in, uint16_t *out, size_t n);
  void (*bf16_to_f32)(const uint16_t *in, float *out, size_t n);
  void (*f32_to_f16)(const float *in, uint16_t *out, size_t n);
  void (*f16_to_f32)(const uint16_t *in, float *out, size_t n);
  void (*dequantize)(ck_quant q, const void *in, float *out, size_t n);
  float (*dot_quantized)(ck_quant q, const void *row, const float *x, size_t n);
  void (*rms_norm)(const float *x, const float *weight, float eps, void *out, ck_dtype dtype, size_t rows, size_t n);
  void (*rope)(float *x, const float *cos, const float *sin, size_t rows, size_t heads, size_t head_dim);
  void (*silu_mul)(const float *gate, const float *up, size_t in_stride, void *out, ck_dtype dtype, size_t rows,
                   size_t n);
  void (*gelu_tanh_mul)(const float *gate, const float *up, size_t in_stride, void *out, ck_dtype dtype, size_t rows,
                        size_t n);
  void (*add)(float *x, const float *y, size_t n);
  void (*scale)(float *x, float factor, size_t n);
  void (*soft_cap)(float *x, float cap, size_t n);
  void (*attend_finish)(const float *o, const float *l, size_t rows, size_t head_dim, void *out, ck_dtype dtype,
                        size_t out_stride);
} ck_kernels;

/// Block attention of one level.
typedef struct {
  void (*pack)(const ck_attend_args *args, void *packed);
  void (*attend)(const ck_attend_args *args, const void *packed);
  void (*attend_unpacked)(const ck_attend_args *args);
} ck_attention;

extern const ck_kernels ck_kernels_scalar;
extern const ck_attention ck_attention_scalar;
#if CK_X86
extern const ck_kernels ck_kernels_avx2;
extern const ck_kernels ck_kernels_avx512;
extern const ck_attention ck_attention_avx2;
extern const ck_attention ck_attention_avx512;
extern const ck_attention ck_attention_avx512bf16;
extern const ck_attention ck_attention_amx;
#endif

/// The kernels of the level in force.
const ck_kernels *ck_active_kernels(void);
/// The block attention of the level in force for `dtype`: only bf16 gains from the bf16 levels, the others run at
/// AVX-512.
const ck_attention *ck_active_attention(ck_dtype dtype);

static inline size_t ck_round_up(size_t n, size_t to) { return (n + to - 1) / to * to; }
static inline size_t ck_min(size_t a, size_t b) { return a < b ? a : b; }
static inline size_t ck_dtype_bytes(ck_dtype dtype) { return dtype == CK_F32 ? 4 : 2; }

/// A caller's mistake, where going on would read or write outside what it handed over.
static inline void ck_require(bool holds) {
  if (!holds) __builtin_trap();
}

#endif
