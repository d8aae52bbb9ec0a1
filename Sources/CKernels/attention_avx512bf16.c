// Block attention with VDPBF16PS: 8 rows x 2 vectors of sums in registers, tiles of sixteen rows.
#include "kernels.h"

#if CK_X86
#include "attention_bf16_rows.h"

enum { STEP_ROWS = 8 };

/// out[r][16 j + lane] = sum over i of the pair products a[r][i] . b_j[i][lane], j < 2, r < STEP_ROWS. b_j comes in
/// `runs` runs of `run` vectors of pairs; from one to the next it is `next` pairs.
CK_BF16_FN void multiply_pairs(const uint16_t *a, size_t a_stride, const uint32_t *b0, const uint32_t *b1, size_t runs,
                               size_t run, size_t next, float *out, size_t out_stride) {
  __m512 sum[STEP_ROWS][2];
#pragma clang loop unroll(full)
  for (int r = 0; r < STEP_ROWS; r++) sum[r][0] = sum[r][1] = _mm512_setzero_ps();
  for (size_t k = 0; k < runs; k++, b0 += next, b1 += next) {
    for (size_t i = 0; i < run; i++, a += 2) {
      __m512bh x0 = (__m512bh)_mm512_load_si512(b0 + 16 * i), x1 = (__m512bh)_mm512_load_si512(b1 + 16 * i);
#pragma clang loop unroll(full)
      for (int r = 0; r < STEP_ROWS; r++) {
        int32_t pair;
        memcpy(&pair, a + (size_t)r * a_stride, sizeof pair);
        __m512bh x = (__m512bh)_mm512_set1_epi32(pair);
        sum[r][0] = _mm512_dpbf16_ps(sum[r][0], x, x0);
        sum[r][1] = _mm512_dpbf16_ps(sum[r][1], x, x1);
      }
    }
  }
#pragma clang loop unroll(full)
  for (int r = 0; r < STEP_ROWS; r++) {
    _mm512_store_ps(out + (size_t)r * out_stride, sum[r][0]);
    _mm512_store_ps(out + (size_t)r * out_stride + 16, sum[r][1]);
  }
}

CK_BF16_FN void attend_span(const ck_attend_args *args, packed_pairs block, row_tile *tile, const uint16_t *q,
                            size_t first, size_t n) {
  _Alignas(64) float partial[TILE_ROWS * 32];
  float c = args->soft_cap > 0 ? CK_LOG2_E : args->scale * CK_LOG2_E;
  for (size_t r = 0; r < tile->rows; r += STEP_ROWS)
    for (size_t t = 0; t < n; t += 32)
      multiply_pairs(q + r * CK_MAX_HEAD_DIM, CK_MAX_HEAD_DIM, ck_key_tile(block, (first + t) / 16, 0),
                     ck_key_tile(block, (first + t) / 16 + 1, 0), 1, block.dimensions / 2, 0, tile->scores[r] + t,
                     SCORE_STRIDE);
  for (size_t r = 0; r < TILE_ROWS; r++) {
    if (args->soft_cap > 0) ck_cap_row(args, tile, r, n);
    ck_mask_row(tile, r, first, n);
    ck_row_maximum(tile, r, n);
  }
  ck_merge_maxima(args, tile, c);
  for (size_t r = 0; r < TILE_ROWS; r++) ck_exponentiate_row(tile, r, n, c);
  ck_merge_sums(args, tile);
  for (size_t d = 0; d < args->head_dim; d += 32) {
    for (size_t r = 0; r < tile->rows; r += STEP_ROWS)
      multiply_pairs((const uint16_t *)tile->scores[r], 2 * SCORE_STRIDE, ck_value_tile(block, first / 32, d / 16),
                     ck_value_tile(block, first / 32, d / 16 + 1), n / 32, 16, block.dimensions / 16 * TILE_PAIRS,
                     partial + r * 32, 32);
    ck_merge_output(args, tile, first, n, d, 2, partial, 32);
  }
}

CK_BF16_TARGET static void attend(const ck_attend_args *args, const void *packed) {
  _Alignas(64) uint16_t q[TILE_ROWS * CK_MAX_HEAD_DIM];
  row_tile tile;
  packed_pairs block = ck_packed_pairs(args, packed);
  for (size_t r = 0; r < args->rows; r += TILE_ROWS) {
    tile.row0 = r;
    tile.rows = ck_min(TILE_ROWS, args->rows - r);
    ck_window seen = ck_tile_windows(args, r, tile.rows, TILE_ROWS, 32, tile.windows);
    if (seen.last < 0) continue;
    ck_load_queries(args, r, tile.rows, q);
    // Spans lie on a grid of the block's own, so that a row's sums are cut in the same places whatever its tile sees.
    for (size_t span = (size_t)seen.first / CK_SPAN_TOKENS * CK_SPAN_TOKENS; (int64_t)span <= seen.last;
         span += CK_SPAN_TOKENS) {
      size_t first = span < (size_t)seen.first ? (size_t)seen.first : span;
      size_t n = ck_min(span + CK_SPAN_TOKENS, (size_t)seen.last + 1) - first;
      attend_span(args, block, &tile, q, first, ck_round_up(n, 32));
    }
  }
}

// Decode is bound by memory: the AVX-512 kernel reads bf16 as fast as it comes.
static void attend_unpacked(const ck_attend_args *args) { ck_attention_avx512.attend_unpacked(args); }

const ck_attention ck_attention_avx512bf16 = {
    .pack = ck_pack_pairs, .attend = attend, .attend_unpacked = attend_unpacked};
#endif
