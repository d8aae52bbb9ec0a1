// The softmax of a tile of sixteen rows whose scores are all there: what AVX512-BF16 does between its two products.
// Private to attention_avx512bf16.c.
#ifndef CK_ATTENTION_BF16_ROWS_H
#define CK_ATTENTION_BF16_ROWS_H

#include "attention_bf16.h"

// Scores of a row, in f32; a line more than the span, so that rows do not fall into the same cache sets.
enum { SCORE_STRIDE = CK_SPAN_TOKENS + 16 };

/// One tile of rows on its way through a span of tokens. The rows' scores start as f32, and end as bf16 in the same
/// place: row r's p[t] is ((uint16_t *)scores[r])[t].
typedef struct {
  _Alignas(64) float scores[TILE_ROWS][SCORE_STRIDE];
  _Alignas(64) float lanes[TILE_ROWS][16];
  _Alignas(64) float minus_base[TILE_ROWS];
  _Alignas(64) float rescale[TILE_ROWS];
  ck_window windows[TILE_ROWS];  // tokens of the block a row sees; none for a row that is not there
  size_t row0, rows;
} row_tile;

/// Soft-caps the scaled scores of a row: they need no scale afterwards.
CK_BF16_FN void ck_cap_row(const ck_attend_args *args, row_tile *tile, size_t r, size_t n) {
  const __m512 inner = _mm512_set1_ps(args->scale / args->soft_cap), cap = _mm512_set1_ps(args->soft_cap);
  float *s = tile->scores[r];
  for (size_t t = 0; t < n; t += 16)
    _mm512_store_ps(s + t, ck_soft_cap_for_bf16(_mm512_mul_ps(_mm512_load_ps(s + t), inner), cap));
}

/// -infinity where row r must not look, tokens first ..< first + n (n a multiple of 32).
CK_BF16_FN void ck_mask_row(row_tile *tile, size_t r, size_t first, size_t n) {
  const __m512 nothing = _mm512_set1_ps(-INFINITY);
  float *s = tile->scores[r];
  int64_t skip = (int64_t)tile->windows[r].first - (int64_t)first;
  if (skip > 0) {
    size_t until = ck_min((size_t)skip, n), i = 0;
    for (; i + 16 <= until; i += 16) _mm512_store_ps(s + i, nothing);
    if (i < until) _mm512_mask_store_ps(s + i, (__mmask16)((1u << (until - i)) - 1), nothing);
  }
  int64_t keep = (int64_t)tile->windows[r].last + 1 - (int64_t)first;
  if (keep >= (int64_t)n) return;
  size_t from = keep > 0 ? (size_t)keep : 0;
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
  // The sum is of the powers as rounded, so that rounding cancels where one token has nearly all the weight.
  __m512 even = _mm512_setzero_ps(), odd = _mm512_setzero_ps();
  for (size_t t = 0; t < n; t += 32) {
    __m512 p0 = ck_exp2_for_bf16(_mm512_fmadd_ps(_mm512_load_ps(s + t), scale, minus_base));
    __m512 p1 = ck_exp2_for_bf16(_mm512_fmadd_ps(_mm512_load_ps(s + t + 16), scale, minus_base));
    __m512i powers = (__m512i)_mm512_cvtne2ps_pbh(p1, p0);
    even = _mm512_add_ps(even, ck_even_powers(powers));
    odd = _mm512_add_ps(odd, ck_odd_powers(powers));
    _mm512_store_si512(p + t, powers);
  }
  _mm512_store_ps(tile->lanes[r], _mm512_add_ps(even, odd));
}

/// Takes the tile's new sums into its state.
CK_BF16_FN void ck_merge_sums(const ck_attend_args *args, row_tile *tile) {
  __mmask16 live = (__mmask16)((1u << tile->rows) - 1);
  __m512 before = _mm512_maskz_loadu_ps(live, args->l + tile->row0);
  __m512 after = _mm512_fmadd_ps(before, _mm512_load_ps(tile->rescale), ck_fold_sum(tile->lanes));
  _mm512_mask_storeu_ps(args->l + tile->row0, live, after);
}

/// o = o * rescale + partial for the rows that see some of tokens first ..< first + n: dimensions d ..< d + 16 *
/// vectors, of which those below head_dim are real.
CK_BF16_FN void ck_merge_output(const ck_attend_args *args, const row_tile *tile, size_t first, size_t n, size_t d,
                                size_t vectors, const float *partial, size_t stride) {
  for (size_t r = 0; r < tile->rows; r++) {
    if (!ck_sees(tile->windows[r], first, n)) continue;
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
