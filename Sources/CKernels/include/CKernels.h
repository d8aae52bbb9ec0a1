// Numeric kernels of the worker, with run-time dispatch on the instruction set.
//
// Every kernel exists at each level of `ck_level`; `ck_set_level` caps the level so that tests cover all of them on
// one machine. All are re-entrant: scratch is the caller's. Lengths need not be multiples of a vector.
#ifndef CKERNELS_H
#define CKERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ck_matmul.h"

typedef enum { CK_SCALAR = 0, CK_AVX2 = 1, CK_AVX512 = 2, CK_AVX512_BF16 = 3, CK_AMX_BF16 = 4 } ck_level;
// Raw values equal TierCore's ElementType.
typedef enum { CK_F32 = 0, CK_BF16 = 1, CK_F16 = 2 } ck_dtype;

/// The best level this machine has (AMX counts only once the kernel granted the tile state to this process; Intel
/// without AMX counts as AVX-512, whose f32 multiply-adds outrun its VDPBF16PS), or the one the environment variable
/// CK_MAX_CPU_ISA names if that is lower: scalar, avx2, avx512, avx512_bf16 or amx_bf16.
ck_level ck_best_level(void);
/// The level in force: the best, or the cap if that is lower.
ck_level ck_get_level(void);
void ck_set_level(ck_level cap);
const char *ck_level_name(ck_level level);

// --- conversions (round to nearest even; NaN stays NaN) ---
void ck_f32_to_bf16(const float *in, uint16_t *out, size_t n);
void ck_bf16_to_f32(const uint16_t *in, float *out, size_t n);
void ck_f32_to_f16(const float *in, uint16_t *out, size_t n);
void ck_f16_to_f32(const uint16_t *in, float *out, size_t n);

// --- GGUF quantised rows to f32; n is a multiple of the format's block (32 or 256) ---
typedef enum { CK_Q4_0, CK_Q4_1, CK_Q8_0, CK_Q4_K, CK_Q6_K } ck_quant;
size_t ck_quant_block_elements(ck_quant q);
size_t ck_quant_block_bytes(ck_quant q);
void ck_dequantize(ck_quant q, const void *in, float *out, size_t n);
/// The dot product of a quantised row of n elements with x, as if the row were expanded first, summed in f32.
float ck_dot_quantized(ck_quant q, const void *row, const float *x, size_t n);

// --- elementwise, one row or a run of them; the residual stream is f32 ---
/// out[i] = x[i] / sqrt(mean(x^2) + eps) * weight[i], per row of n; out in `dtype`.
void ck_rms_norm(const float *x, const float *weight, float eps, void *out, ck_dtype dtype, size_t rows, size_t n);
/// Rotate-half rope in place on x[rows][heads][head_dim] f32; cos/sin: [rows][head_dim / 2].
void ck_rope(float *x, const float *cos, const float *sin, size_t rows, size_t heads, size_t head_dim);
/// out[i] = silu(gate[i]) * up[i] over rows of n; row strides in elements; inputs f32, out in `dtype`.
void ck_silu_mul(const float *gate, const float *up, size_t in_stride, void *out, ck_dtype dtype, size_t rows,
                 size_t n);
/// The same with GELU by its tanh approximation, 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))).
void ck_gelu_tanh_mul(const float *gate, const float *up, size_t in_stride, void *out, ck_dtype dtype, size_t rows,
                      size_t n);
/// x[i] += y[i]
void ck_add(float *x, const float *y, size_t n);
/// x[i] *= factor
void ck_scale(float *x, float factor, size_t n);
/// x[i] = cap * tanh(x[i] / cap); cap is positive.
void ck_soft_cap(float *x, float cap, size_t n);

// --- block attention ---
/// One query head group against one block of K and V, merged into a running softmax (m, l, o). Rows are (token,
/// head-in-group) pairs laid out by the caller; row r sees block tokens start[r] <= t <= limit[r] (limit < 0, or
/// start beyond limit or block: none). q, k and v may be unaligned to more than their elements; what a row does not see
/// is multiplied by 0, so it must be finite. Impossible sizes trap: head_dim 0, odd or over 256, tokens 0 or over
/// 65536, a row stride below its row, a scale that is not positive, a soft-cap below 0.
typedef struct {
  ck_dtype dtype;         // of q, k and v
  size_t head_dim;        // any multiple of 2 up to 256; 64 and 128 are the fast ones
  size_t tokens;          // tokens in this block, 1...65536
  const void *k;          // [tokens][head_dim]
  const void *v;          // [tokens][head_dim]
  size_t rows;
  const void *q;          // [rows][head_dim], row stride q_stride elements
  size_t q_stride;
  const int32_t *start;   // [rows], or NULL: every row sees the block from its first token on
  const int32_t *limit;   // [rows], or NULL: every row sees the block up to its last token
  float scale;            // of q.k, applied in f32; positive
  float soft_cap;         // scaled q.k becomes soft_cap * tanh(q.k / soft_cap); 0: it stays
  float *m;               // [rows] base of the exponents, near the largest logit so far in base 2; start at -INFINITY
  float *l;               // [rows] running sum, start at 0
  float *o;               // [rows][head_dim] running unnormalised output, start at 0
} ck_attend_args;

/// Bytes of scratch (64-byte aligned) that ck_pack_block and ck_attend_block need for blocks up to `tokens`.
size_t ck_attend_scratch_bytes(ck_dtype dtype, size_t head_dim, size_t tokens);
/// Packs the block's K and V into `scratch` as the level in force wants them.
void ck_pack_block(const ck_attend_args *args, void *scratch);
/// Attends args->rows rows to the block packed in `scratch` (k and v are not read again). A row's result depends on
/// nothing but that row, the block, and the state: not on how many rows are computed together or in which call.
/// Scratch is only read: threads may share a packed block.
void ck_attend_block(const ck_attend_args *args, void *scratch);
/// The same for a few rows (decode), without packing: reads k and v where they lie, and computes in f32 whatever the
/// dtype. A row's result does not depend on the others here either. Its bits may differ from ck_attend_block's; the
/// caller chooses one of the two by what it computes (decode or prefill), never by residency.
void ck_attend_block_unpacked(const ck_attend_args *args);
/// out[r][d] = o[r][d] / l[r], in `dtype`, row stride out_stride elements.
void ck_attend_finish(const float *o, const float *l, size_t rows, size_t head_dim, void *out, ck_dtype dtype,
                      size_t out_stride);

#endif
