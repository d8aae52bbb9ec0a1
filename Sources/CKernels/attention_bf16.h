// What the two bf16 levels share: the packed layout, and the softmax of a tile of sixteen rows.
//
// Both multiply pairs of bf16 into f32 sums, so K and V are packed as 32-bit pairs, sixteen of them to a vector:
// K as [tokens / 16][head_dim / 2][16 tokens], a pair being two neighbouring dimensions of one token, and V as
// [tokens / 32][head_dim / 16][16 pairs of tokens][16 dimensions]. Each [16][16] of them is one AMX tile of 1 KiB. Tokens
// and head_dim are zero-padded to 32.
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
  // Scores of a row, in f32; a line more than the span, so that rows do not fall into the same cache sets.
  SCORE_STRIDE = CK_SPAN_TOKENS + 16,
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

/// One tile of rows on its way through a span of tokens. The rows' scores start as f32, and end as bf16 in the same
/// place: row r's p[t] is ((uint16_t *)scores[r])[t].
typedef struct {
  _Alignas(64) float scores[TILE_ROWS][SCORE_STRIDE];
  _Alignas(64) float lanes[TILE_ROWS][16];
  _Alignas(64) float minus_base[TILE_ROWS];
  _Alignas(64) float rescale[TILE_ROWS];
  int32_t last[TILE_ROWS];  // last visible token of the block, -1 for a row that is not there
  size_t row0, rows;
} row_tile;

/// -infinity where row r must not look, tokens first ..< first + n (n a multiple of 32).
CK_BF16_FN void ck_mask_row(row_tile *tile, size_t r, size_t first, size_t n) {
  int64_t keep = (int64_t)tile->last[r] + 1 - (int64_t)first;
  if (keep >= (int64_t)n) return;
  size_t from = keep > 0 ? (size_t)keep : 0;
  const __m512 nothing = _mm512_set1_ps(-INFINITY);
  float *s = tile->scores[r];
  size_t i = from / 16 * 16;
  _mm512_mask_store_ps(s + i, (__mmask16)(0xffffu << (from - i)), nothing);
  for (i += 16; i < n; i += 16) _mm512_store_ps(s + i, nothing);
}

/// The maxima of a row's scores, lane by lane.
CK_BF16_FN void ck_row_maximum(row_tile *tile, size_t r, size_t n) {
  const float *s = tile->scores[r];
  __m512 a = _mm512_load_ps(s), b = _mm512_load_ps(s + 16);
  for (size_t t = 32; t < n; t += 32) {
    a = _mm512_max_ps(a, _mm512_load_ps(s + t));
    b = _mm512_max_ps(b, _mm512_load_ps(s + t + 16));
  }
  _mm512_store_ps(tile->lanes[r], _mm512_max_ps(a, b));
}

/// 2^x as in vector_avx512.h but of degree 3: its relative error of 9e-5 is a twentieth of bf16's rounding.
CK_BF16_FN __m512 ck_exp2_for_bf16(__m512 x) {
  __m512 f = _mm512_reduce_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
  __m512 p = _mm512_set1_ps(0x1.3bab5ep-4f);
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0x1.d23726p-3f));
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0x1.63e65ep-1f));
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(1.0f));
  return _mm512_scalef_ps(p, x);
}

/// Takes the tile's new maxima into its state: m, what to multiply by, and the base of the powers to come.
CK_BF16_FN void ck_merge_maxima(const ck_attend_args *args, row_tile *tile, float c) {
  __mmask16 live = (__mmask16)((1u << tile->rows) - 1);
  __m512 before = _mm512_mask_loadu_ps(_mm512_set1_ps(-INFINITY), live, args->m + tile->row0);
  __m512 highest = _mm512_mul_ps(ck_fold_max(tile->lanes), _mm512_set1_ps(c));
  __m512 after = _mm512_max_ps(highest, before);
  // Nothing but -infinity so far: any finite base gives p = 0.
  __mmask16 none = _mm512_cmp_ps_mask(after, _mm512_set1_ps(-INFINITY), _CMP_EQ_OQ);
  __m512 base = _mm512_mask_mov_ps(after, none, _mm512_setzero_ps());
  _mm512_mask_storeu_ps(args->m + tile->row0, live, after);
  _mm512_store_ps(tile->minus_base, _mm512_sub_ps(_mm512_setzero_ps(), base));
  _mm512_store_ps(tile->rescale, ck_exp2_for_bf16(_mm512_sub_ps(before, base)));
}

/// p = 2^(s c - base) of one row, rounded to bf16 in place, and its sums, lane by lane.
CK_BF16_FN void ck_exponentiate_row(row_tile *tile, size_t r, size_t n, float c) {
  float *s = tile->scores[r];
  uint16_t *p = (uint16_t *)s;
  const __m512 scale = _mm512_set1_ps(c), minus_base = _mm512_set1_ps(tile->minus_base[r]);
  __m512 sum0 = _mm512_setzero_ps(), sum1 = _mm512_setzero_ps();
  for (size_t t = 0; t < n; t += 32) {
    __m512 p0 = ck_exp2_for_bf16(_mm512_fmadd_ps(_mm512_load_ps(s + t), scale, minus_base));
    __m512 p1 = ck_exp2_for_bf16(_mm512_fmadd_ps(_mm512_load_ps(s + t + 16), scale, minus_base));
    sum0 = _mm512_add_ps(sum0, p0);
    sum1 = _mm512_add_ps(sum1, p1);
    _mm512_store_si512(p + t, (__m512i)_mm512_cvtne2ps_pbh(p1, p0));
  }
  _mm512_store_ps(tile->lanes[r], _mm512_add_ps(sum0, sum1));
}

/// Takes the tile's new sums into its state.
CK_BF16_FN void ck_merge_sums(const ck_attend_args *args, row_tile *tile) {
  __mmask16 live = (__mmask16)((1u << tile->rows) - 1);
  __m512 before = _mm512_maskz_loadu_ps(live, args->l + tile->row0);
  __m512 after = _mm512_fmadd_ps(before, _mm512_load_ps(tile->rescale), ck_fold_sum(tile->lanes));
  _mm512_mask_storeu_ps(args->l + tile->row0, live, after);
}

/// o = o * rescale + partial for the rows that see a token from `first` on: dimensions d ..< d + 16 * vectors, of which
/// those below head_dim are real.
CK_BF16_FN void ck_merge_output(const ck_attend_args *args, const row_tile *tile, size_t first, size_t d,
                                size_t vectors, const float *partial, size_t stride) {
  for (size_t r = 0; r < tile->rows; r++) {
    if (tile->last[r] < (int32_t)first) continue;
    float *o = args->o + (tile->row0 + r) * args->head_dim;
    __m512 rescale = _mm512_set1_ps(tile->rescale[r]);
    for (size_t i = 0; i < vectors; i++) {
      size_t at = d + 16 * i;
      if (at >= args->head_dim) break;
      __mmask16 real = (__mmask16)(args->head_dim - at >= 16 ? 0xffff : (1u << (args->head_dim - at)) - 1);
      __m512 old = _mm512_maskz_loadu_ps(real, o + at);
      _mm512_mask_storeu_ps(o + at, real, _mm512_fmadd_ps(old, rescale, _mm512_load_ps(partial + r * stride + 16 * i)));
    }
  }
}

/// Copies rows row0 ..< row0 + rows of q into [TILE_ROWS][CK_MAX_HEAD_DIM], zeros beyond them and beyond head_dim.
CK_BF16_FN void ck_load_queries(const ck_attend_args *args, size_t row0, size_t rows, uint16_t *q) {
  size_t dimensions = ck_round_up(args->head_dim, 32);
  const uint16_t *in = (const uint16_t *)args->q + row0 * args->q_stride;
  for (size_t r = 0; r < TILE_ROWS; r++) {
    for (size_t d = 0; d < dimensions; d += 32) {
      size_t real = r >= rows || d >= args->head_dim ? 0 : ck_min(32, args->head_dim - d);
      __mmask32 live = (__mmask32)(((uint64_t)1 << real) - 1);
      _mm512_store_si512(q + r * CK_MAX_HEAD_DIM + d, _mm512_maskz_loadu_epi16(live, in + r * args->q_stride + d));
    }
  }
}

#endif
