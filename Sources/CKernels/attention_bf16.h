// What the two bf16 levels share: the packed layout, sums across a tile's rows, and 2^x as exact as bf16 can use.
//
// Both multiply pairs of bf16 into f32 sums, so K and V are packed as 32-bit pairs, sixteen of them to a vector: K as
// [tokens / 16][head_dim / 2][16 tokens], a pair being two neighbouring dimensions of one token, and V as [tokens /
// 32][head_dim / 16][16 pairs of tokens][16 dimensions]. Each [16][16] of them is one AMX tile of 1 KiB. Tokens and
// head_dim are zero-padded to 32.
#ifndef CK_ATTENTION_BF16_H
#define CK_ATTENTION_BF16_H

#include <immintrin.h>
#include <math.h>

#include "attention.h"

#define CK_BF16_TARGET __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")))
#define CK_BF16_FN static inline __attribute__((always_inline)) CK_BF16_TARGET

enum {
  TILE_ROWS = 16,
  TILE_PAIRS = 256,  // 32-bit pairs in a [16][16] tile
};

typedef struct {
  const uint32_t *k, *v;
  size_t dimensions;  // head_dim, padded to 32
} packed_pairs;

static inline packed_pairs ck_packed_pairs(const ck_attend_args *args, const void *packed) {
  size_t dimensions = ck_round_up(args->head_dim, 32);
  const uint32_t *k = packed;
  return (packed_pairs){k, k + ck_round_up(args->tokens, 32) * dimensions / 2, dimensions};
}

/// The [16][16] of token tile `tile` (16 tokens) and dimensions 32 i ..< 32 i + 32.
static inline const uint32_t *ck_key_tile(packed_pairs block, size_t tile, size_t i) {
  return block.k + (tile * block.dimensions / 32 + i) * TILE_PAIRS;
}

/// The [16][16] of tokens 32 i ..< 32 i + 32 and dimension tile `tile` (16 dimensions).
static inline const uint32_t *ck_value_tile(packed_pairs block, size_t i, size_t tile) {
  return block.v + (i * block.dimensions / 16 + tile) * TILE_PAIRS;
}

void ck_pack_pairs(const ck_attend_args *args, void *packed);

/// Folds sixteen vectors into one, lane r from vector r, in an order that is the same for each.
#define CK_FOLD_ROWS(name, op)                                                                               \
  CK_BF16_FN __m512 name(const float (*rows)[16]) {                                                          \
    __m512 quad[4];                                                                                          \
    for (int i = 0; i < 4; i++) {                                                                            \
      __m512 a = _mm512_load_ps(rows[4 * i]), b = _mm512_load_ps(rows[4 * i + 1]);                           \
      __m512 c = _mm512_load_ps(rows[4 * i + 2]), d = _mm512_load_ps(rows[4 * i + 3]);                       \
      __m512 ab = op(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));                                    \
      __m512 cd = op(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));                                    \
      __m512d x = _mm512_castps_pd(ab), y = _mm512_castps_pd(cd);                                            \
      quad[i] = op(_mm512_castpd_ps(_mm512_unpacklo_pd(x, y)), _mm512_castpd_ps(_mm512_unpackhi_pd(x, y)));  \
    }                                                                                                        \
    __m512 low = op(_mm512_shuffle_f32x4(quad[0], quad[1], 0x88), _mm512_shuffle_f32x4(quad[0], quad[1], 0xdd));   \
    __m512 high = op(_mm512_shuffle_f32x4(quad[2], quad[3], 0x88), _mm512_shuffle_f32x4(quad[2], quad[3], 0xdd));  \
    return op(_mm512_shuffle_f32x4(low, high, 0x88), _mm512_shuffle_f32x4(low, high, 0xdd));                 \
  }
CK_FOLD_ROWS(ck_fold_max, _mm512_max_ps)
CK_FOLD_ROWS(ck_fold_sum, _mm512_add_ps)
#undef CK_FOLD_ROWS

/// 2^x as in vector_avx512.h but of degree 3: its relative error of 9e-5 is a twentieth of bf16's rounding.
CK_BF16_FN __m512 ck_exp2_for_bf16(__m512 x) {
  __m512 f = _mm512_reduce_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
  __m512 p = _mm512_set1_ps(0x1.3bab5ep-4f);
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0x1.d23726p-3f));
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0x1.63e65ep-1f));
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(1.0f));
  return _mm512_scalef_ps(p, x);
}

/// cap * tanh(x), exact to more than bf16 can use: (1 - e) / (1 + e) with e = 2^(-2 log2(e) |x|).
CK_BF16_FN __m512 ck_soft_cap_for_bf16(__m512 x, __m512 cap) {
  __m512 one = _mm512_set1_ps(1.0f), y = _mm512_mul_ps(_mm512_abs_ps(x), _mm512_set1_ps(-2.0f * CK_LOG2_E));
  __m512 f = _mm512_reduce_ps(y, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
  __m512 p = _mm512_set1_ps(0x1.e975c2p-10f);
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0x1.277820p-7f));
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0x1.c91cf0p-5f));
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0x1.ebdb56p-3f));
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0x1.62e4bap-1f));
  p = _mm512_fmadd_ps(p, f, one);
  __m512 e = _mm512_scalef_ps(p, y);
  __m512 magnitude = _mm512_mul_ps(cap, _mm512_div_ps(_mm512_sub_ps(one, e), _mm512_add_ps(one, e)));
  return _mm512_or_ps(magnitude, _mm512_and_ps(x, _mm512_set1_ps(-0.0f)));
}

/// The even and the odd elements of a vector of bf16, as f32.
CK_BF16_FN __m512 ck_even_powers(__m512i powers) { return _mm512_castsi512_ps(_mm512_slli_epi32(powers, 16)); }
CK_BF16_FN __m512 ck_odd_powers(__m512i powers) {
  return _mm512_castsi512_ps(_mm512_and_si512(powers, _mm512_set1_epi32((int)0xffff0000)));
}

#endif
