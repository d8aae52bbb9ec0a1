// Template: block attention in f32 arithmetic over packed panels. Include a vector header, define TILE_ROWS, then
// include this. K is packed as [tokens / PANEL][head_dim][PANEL], V as [head_dim / PANEL][tokens][PANEL], both
// zero-padded; a micro-kernel keeps TILE_ROWS x PANEL sums in registers. Rows never meet: each sum is one row's own
// chain of fused multiply-adds in an order fixed by the block, so a row's bits do not depend on its neighbours.
#include "attention_softmax.h"

enum { PANEL_VECTORS = 2, PANEL = PANEL_VECTORS * VECTOR_LANES };

typedef struct {
  const float *k, *v;
  size_t tokens;  // padded to PANEL
} packed_block;

CK_VECTOR_FN packed_block packed_at(const ck_attend_args *args, const void *packed) {
  size_t tokens = ck_round_up(args->tokens, PANEL);
  return (packed_block){packed, (const float *)packed + tokens * args->head_dim, tokens};
}

CK_VECTOR_TARGET static void pack(const ck_attend_args *args, void *packed) {
  packed_block block = packed_at(args, packed);
  float *k = (float *)block.k, *v = (float *)block.v;
  size_t head_dim = args->head_dim;
  memset(k, 0, block.tokens * (head_dim + ck_round_up(head_dim, PANEL)) * sizeof *k);
  for (size_t t = 0; t < args->tokens; t++) {
    float row[CK_MAX_HEAD_DIM];
    for (size_t d = 0; d < head_dim; d += VECTOR_LANES)
      vf_store(row + d, vf_load_first(args->k, args->dtype, t * head_dim + d, head_dim - d));
    float *panel = k + t / PANEL * PANEL * head_dim + t % PANEL;
    for (size_t d = 0; d < head_dim; d++) panel[d * PANEL] = row[d];
    for (size_t d = 0; d < head_dim; d += VECTOR_LANES)
      vf_store(v + (d / PANEL * block.tokens + t) * PANEL + d % PANEL,
               vf_load_first(args->v, args->dtype, t * head_dim + d, head_dim - d));
  }
}

/// out[row][j] = sum over i < n of a[row][i] * b[i][j], j < PANEL.
CK_VECTOR_FN void multiply_panel(const float *a, size_t a_stride, const float *b, size_t n, float *out,
                                 size_t out_stride) {
  vf sum[TILE_ROWS][PANEL_VECTORS];
#pragma clang loop unroll(full)
  for (int r = 0; r < TILE_ROWS; r++)
    for (int j = 0; j < PANEL_VECTORS; j++) sum[r][j] = vf_set1(0);
  for (size_t i = 0; i < n; i++, b += PANEL) {
    vf b0 = vf_load(b), b1 = vf_load(b + VECTOR_LANES);
#pragma clang loop unroll(full)
    for (int r = 0; r < TILE_ROWS; r++) {
      vf x = vf_set1(a[r * a_stride + i]);
      sum[r][0] = vf_fma(x, b0, sum[r][0]);
      sum[r][1] = vf_fma(x, b1, sum[r][1]);
    }
  }
#pragma clang loop unroll(full)
  for (int r = 0; r < TILE_ROWS; r++)
    for (int j = 0; j < PANEL_VECTORS; j++) vf_store(out + r * out_stride + j * VECTOR_LANES, sum[r][j]);
}

/// o = o * rescale + partial, over the `n` dimensions that are real of a panel.
CK_VECTOR_FN void merge_row(float *o, const float *partial, float rescale, size_t n) {
  for (size_t j = 0; j < PANEL && j < n; j += VECTOR_LANES) {
    vf old = vf_load_first(o, CK_F32, j, n - j);
    vf_store_first(o + j, vf_fma(old, vf_set1(rescale), vf_load(partial + j)), n - j);
  }
}

CK_VECTOR_TARGET static void attend_tile(const ck_attend_args *args, packed_block block, size_t row0, size_t rows) {
  _Alignas(64) float q[TILE_ROWS * CK_MAX_HEAD_DIM];
  _Alignas(64) float s[TILE_ROWS * CK_SPAN_TOKENS];
  _Alignas(64) float partial[TILE_ROWS * PANEL];
  float rescale[TILE_ROWS];
  ck_window windows[TILE_ROWS];
  size_t head_dim = args->head_dim;
  ck_window seen = ck_tile_windows(args, row0, rows, TILE_ROWS, PANEL, windows);
  if (seen.last < 0) return;

  for (size_t r = 0; r < TILE_ROWS; r++)
    for (size_t d = 0; d < head_dim; d += VECTOR_LANES)
      vf_store(q + r * CK_MAX_HEAD_DIM + d,
               r < rows ? vf_load_first(args->q, args->dtype, (row0 + r) * args->q_stride + d, head_dim - d)
                        : vf_set1(0));

  // Spans lie on a grid of the block's own, so that a row's sums are cut in the same places whatever its tile sees.
  for (size_t span = (size_t)seen.first / CK_SPAN_TOKENS * CK_SPAN_TOKENS; (int64_t)span <= seen.last;
       span += CK_SPAN_TOKENS) {
    size_t first = span < (size_t)seen.first ? (size_t)seen.first : span;
    size_t n = ck_min(span + CK_SPAN_TOKENS, (size_t)seen.last + 1) - first;
    for (size_t t = 0; t < n; t += PANEL)
      multiply_panel(q, CK_MAX_HEAD_DIM, block.k + (first + t) * head_dim, head_dim, s + t, CK_SPAN_TOKENS);
    for (size_t r = 0; r < rows; r++)
      if (ck_sees(windows[r], first, n))
        rescale[r] = softmax_window(args, s + r * CK_SPAN_TOKENS, windows[r], first, n, row0 + r);
    for (size_t d = 0; d < head_dim; d += PANEL) {
      multiply_panel(s, CK_SPAN_TOKENS, block.v + (d / PANEL * block.tokens + first) * PANEL, n, partial, PANEL);
      for (size_t r = 0; r < rows; r++)
        if (ck_sees(windows[r], first, n))
          merge_row(args->o + (row0 + r) * head_dim + d, partial + r * PANEL, rescale[r], head_dim - d);
    }
  }
}

CK_VECTOR_TARGET static void attend(const ck_attend_args *args, const void *packed) {
  packed_block block = packed_at(args, packed);
  for (size_t r = 0; r < args->rows; r += TILE_ROWS) attend_tile(args, block, r, ck_min(TILE_ROWS, args->rows - r));
}
