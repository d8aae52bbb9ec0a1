// Block attention with AMX, in units of 32 rows times a span of tokens.
//
// A row's base (its m) is a whole number, and rises only when a logit exceeds it by more than SLACK. So scores are
// read once, while they are in the first-level cache, instead of a second time for their maximum, and what a rise
// must multiply, earlier powers included, it multiplies by a power of two, exactly.
#include "kernels.h"

#if CK_X86
#include "attention_amx.h"

// Powers reach 2^SLACK: far from any limit of bf16 or f32.
#define SLACK 8.0f
// Stands for no base yet: finite, so that -infinity still gives a power of 0, and any finite logit exceeds it.
#define NO_BASE (-1e30f)

AMX_FN void load_queries(const ck_attend_args *args, packed_pairs block, unit *u) {
  const uint16_t *in = (const uint16_t *)args->q + u->row0 * args->q_stride;
  for (size_t r = 0; r < UNIT_ROWS; r++) {
    for (size_t d = 0; d < block.dimensions; d += 32) {
      size_t real = r >= u->rows || d >= args->head_dim ? 0 : ck_min(32, args->head_dim - d);
      __mmask32 live = (__mmask32)(((uint64_t)1 << real) - 1);
      _mm512_store_si512(u->q[d / 32][r], _mm512_maskz_loadu_epi16(live, in + r * args->q_stride + d));
    }
  }
}

/// Takes up the rows' bases.
AMX_FN void open_state(const ck_attend_args *args, unit *u) {
  for (size_t r = 0; r < u->rows; r++) {
    float m = args->m[u->row0 + r];
    u->minus_base[r] = m == -INFINITY ? -NO_BASE : -m;
    u->rescale[r] = 1;
    _mm512_store_ps(u->lanes[r], _mm512_setzero_ps());
  }
}

AMX_FN void close_state(const ck_attend_args *args, unit *u) {
  _Alignas(64) float sums[UNIT_ROWS];
  for (size_t r = 0; r < u->rows; r += TILE_ROWS)
    _mm512_store_ps(sums + r, ck_fold_sum((const float (*)[16])u->lanes[r]));
  for (size_t r = 0; r < u->rows; r++) {
    float *l = args->l + u->row0 + r;
    args->m[u->row0 + r] = u->minus_base[r] == -NO_BASE ? -INFINITY : -u->minus_base[r];
    *l = __builtin_fmaf(*l, u->rescale[r], sums[r]);
  }
}

/// Raises row r's base to the next whole number above the scaled scores s0, s1, and with it all that the old one
/// scaled: the row's powers of the tokens before `done`, their sums, and in the end its output.
static __attribute__((noinline)) AMX_TARGET void raise_base(unit *u, size_t r, size_t done, __m512 s0, __m512 s1) {
  float base = __builtin_ceilf(_mm512_reduce_max_ps(_mm512_max_ps(s0, s1))), before = -u->minus_base[r];
  // Exact for whole numbers; a state that another level began may hold others.
  __m512 factors = ck_exp2_for_bf16(_mm512_set1_ps(before == NO_BASE ? -INFINITY : before - base));
  for (size_t t = 0; t < done; t += 16) {
    __m256i *power = (__m256i *)(u->powers[r] + t);
    __m512 p = _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_load_si256(power)), 16));
    _mm256_store_si256(power, (__m256i)_mm512_cvtneps_pbh(_mm512_mul_ps(p, factors)));
  }
  _mm512_store_ps(u->lanes[r], _mm512_mul_ps(_mm512_load_ps(u->lanes[r]), factors));
  u->rescale[r] *= _mm512_cvtss_f32(factors);
  u->minus_base[r] = -base;
}

/// Which of the strip's tokens row r sees, `at` being the strip's first token.
AMX_FN uint32_t visible_tokens(const unit *u, size_t r, int64_t at) {
  int64_t skip = (int64_t)u->windows[r].first - at, keep = (int64_t)u->windows[r].last + 1 - at;
  uint32_t until = keep >= STRIP_TOKENS ? UINT32_MAX : keep > 0 ? ((uint32_t)1 << keep) - 1 : 0;
  uint32_t from = skip >= STRIP_TOKENS ? 0 : skip > 0 ? UINT32_MAX << skip : UINT32_MAX;
  return until & from;
}

/// What the scores of a call become before they are exponents in base 2.
typedef struct {
  __m512 c;             // what the capped, or else the plain, scores are multiplied by
  __m512 inner, outer;  // outer * tanh(inner * score)
  bool caps;
} score_scale;

/// The powers of row r for the strip at token `t` of the span that begins at `first`, from its scores.
AMX_FN void exponentiate(unit *u, size_t r, const float *scores, size_t first, size_t t, score_scale scale) {
  __m512 s0 = _mm512_load_ps(scores), s1 = _mm512_load_ps(scores + 16), c = scale.c;
  if (scale.caps) {
    s0 = ck_soft_cap_for_bf16(_mm512_mul_ps(s0, scale.inner), scale.outer);
    s1 = ck_soft_cap_for_bf16(_mm512_mul_ps(s1, scale.inner), scale.outer);
  }
  uint32_t visible = visible_tokens(u, r, (int64_t)(first + t));
  if (__builtin_expect(visible != UINT32_MAX, false)) {
    s0 = _mm512_mask_mov_ps(_mm512_set1_ps(-INFINITY), (__mmask16)visible, s0);
    s1 = _mm512_mask_mov_ps(_mm512_set1_ps(-INFINITY), (__mmask16)(visible >> 16), s1);
  }
  __m512 minus_base = _mm512_set1_ps(u->minus_base[r]);
  __m512 x0 = _mm512_fmadd_ps(s0, c, minus_base), x1 = _mm512_fmadd_ps(s1, c, minus_base);
  __mmask16 above = _mm512_cmp_ps_mask(_mm512_max_ps(x0, x1), _mm512_set1_ps(SLACK), _CMP_GT_OQ);
  if (__builtin_expect(above != 0, false)) {
    raise_base(u, r, t, _mm512_mul_ps(s0, c), _mm512_mul_ps(s1, c));
    minus_base = _mm512_set1_ps(u->minus_base[r]);
    x0 = _mm512_fmadd_ps(s0, c, minus_base);
    x1 = _mm512_fmadd_ps(s1, c, minus_base);
  }
  // The sum is of the powers as rounded, so that rounding cancels where one token has nearly all the weight.
  __m512i powers = (__m512i)_mm512_cvtne2ps_pbh(ck_exp2_for_bf16(x1), ck_exp2_for_bf16(x0));
  __m512 sums = _mm512_add_ps(ck_even_powers(powers), ck_odd_powers(powers));
  _mm512_store_ps(u->lanes[r], _mm512_add_ps(_mm512_load_ps(u->lanes[r]), sums));
  _mm512_store_si512(u->powers[r] + t, powers);
}

AMX_FN void attend_span(const ck_attend_args *args, packed_pairs block, unit *u, size_t first, size_t n) {
  // The multiplier is sent one strip, or 32 dimensions, ahead: its results are not waited for.
  _Alignas(64) float scores[2][UNIT_ROWS][32], partial[2][UNIT_ROWS][32];
  const bool caps = args->soft_cap > 0;
  const score_scale scale = {
      .c = _mm512_set1_ps(caps ? CK_LOG2_E : args->scale * CK_LOG2_E),
      .inner = _mm512_set1_ps(caps ? args->scale / args->soft_cap : 0),
      .outer = _mm512_set1_ps(args->soft_cap),
      .caps = caps,
  };
  open_state(args, u);
  score_strip(u, block, first, scores[0]);
  for (size_t t = 0, turn = 0; t < n; t += STRIP_TOKENS, turn ^= 1) {
    if (t + STRIP_TOKENS < n) score_strip(u, block, first + t + STRIP_TOKENS, scores[turn ^ 1]);
    for (size_t r = 0; r < u->rows; r++) exponentiate(u, r, scores[turn][r], first, t, scale);
  }
  multiply_values(u, block, first, n, 0, partial[0]);
  close_state(args, u);
  for (size_t d = 0, turn = 0; d < args->head_dim; d += 32, turn ^= 1) {
    if (d + 32 < args->head_dim) multiply_values(u, block, first, n, d + 32, partial[turn ^ 1]);
    merge_output(args, u, first, n, d, partial[turn]);
  }
}

AMX_TARGET static void attend(const ck_attend_args *args, const void *packed) {
  unit u;
  packed_pairs block = ck_packed_pairs(args, packed);
  configure_tiles();
  for (u.row0 = 0; u.row0 < args->rows; u.row0 += UNIT_ROWS) {
    u.rows = ck_min(UNIT_ROWS, args->rows - u.row0);
    ck_window seen = ck_tile_windows(args, u.row0, u.rows, UNIT_ROWS, STRIP_TOKENS, u.windows);
    if (seen.last < 0) continue;
    load_queries(args, block, &u);
    // Spans lie on a grid of the block's own, so that a row's sums are cut in the same places whatever its unit sees.
    for (size_t span = (size_t)seen.first / CK_SPAN_TOKENS * CK_SPAN_TOKENS; (int64_t)span <= seen.last;
         span += CK_SPAN_TOKENS) {
      size_t first = span < (size_t)seen.first ? (size_t)seen.first : span;
      size_t n = ck_min(span + CK_SPAN_TOKENS, (size_t)seen.last + 1) - first;
      attend_span(args, block, &u, first, ck_round_up(n, STRIP_TOKENS));
    }
  }
  _tile_release();
}

static void attend_unpacked(const ck_attend_args *args) { ck_attention_avx512.attend_unpacked(args); }

const ck_attention ck_attention_amx = {.pack = ck_pack_pairs, .attend = attend, .attend_unpacked = attend_unpacked};
#endif
