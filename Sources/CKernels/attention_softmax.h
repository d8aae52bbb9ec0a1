// Template: the softmax of one row's scores, merged into its running state. Include a vector header first.
#include "attention.h"

enum { SPAN_VECTORS = CK_SPAN_TOKENS / VECTOR_LANES };

/// tanh(x) = (1 - e) / (1 + e) with e = 2^(-2 log2(e) |x|); below 1 / 16, where that would lose to cancellation, the
/// first terms of the series.
CK_VECTOR_FN vf vf_tanh(vf x) {
  vf magnitude = vf_magnitude(x), square = vf_mul(x, x), one = vf_set1(1.0f);
  vf e = vf_exp2(vf_mul(magnitude, vf_set1(-2.0f * CK_LOG2_E)));
  vf large = vf_div(vf_sub(one, e), vf_add(one, e));
  vf series = vf_fma(square, vf_set1(-0x1.ba1ba2p-5f), vf_set1(0x1.111112p-3f));
  series = vf_fma(vf_mul(square, vf_set1(-1.0f)), vf_sub(vf_set1(0x1.555556p-2f), vf_mul(square, series)), one);
  return vf_where_less(magnitude, vf_set1(0.0625f), vf_mul(x, series), vf_with_sign(large, x));
}

/// Turns the scores `skip` ..< `keep` (at least one) of s into p = 2^(s c - m), and the others of n into 0. Updates the
/// row's m and l, and returns what its output must be multiplied by.
CK_VECTOR_FN float softmax_row(const ck_attend_args *args, float *s, size_t skip, size_t keep, size_t n, float *m,
                               float *l) {
  size_t start = skip / VECTOR_LANES, live = (keep + VECTOR_LANES - 1) / VECTOR_LANES;
  size_t all = (n + VECTOR_LANES - 1) / VECTOR_LANES;
  float c = args->scale * CK_LOG2_E;
  if (args->soft_cap > 0) {
    vf inner = vf_set1(args->scale / args->soft_cap), outer = vf_set1(args->soft_cap);
    for (size_t i = start; i < live; i++)
      vf_store(s + i * VECTOR_LANES, vf_mul(outer, vf_tanh(vf_mul(vf_load(s + i * VECTOR_LANES), inner))));
    c = CK_LOG2_E;
  }
  float *head = s + start * VECTOR_LANES, *tail = s + (live - 1) * VECTOR_LANES;
  vf_store(tail, vf_keep_first(vf_load(tail), keep - (live - 1) * VECTOR_LANES));
  vf_store(head, vf_drop_first(vf_load(head), skip - start * VECTOR_LANES));
  vf most = vf_load(head);
  for (size_t i = start + 1; i < live; i++) most = vf_max(most, vf_load(s + i * VECTOR_LANES));

  float before = *m, highest = vf_most(most) * c, after = highest > before ? highest : before;
  // Nothing but -infinity so far: any finite base gives p = 0.
  float base = after == -INFINITY ? 0 : after;
  vf scale = vf_set1(c), minus_base = vf_set1(-base), sum = vf_set1(0);
  for (size_t i = 0; i < start; i++) vf_store(s + i * VECTOR_LANES, vf_set1(0));
  for (size_t i = start; i < live; i++) {
    vf p = vf_exp2(vf_fma(vf_load(s + i * VECTOR_LANES), scale, minus_base));
    vf_store(s + i * VECTOR_LANES, p);
    sum = vf_add(sum, p);
  }
  for (size_t i = live; i < all; i++) vf_store(s + i * VECTOR_LANES, vf_set1(0));

  float rescale;
  vf_store_first(&rescale, vf_exp2(vf_set1(before - base)), 1);
  *m = after;
  *l = __builtin_fmaf(*l, rescale, vf_sum(sum));
  return rescale;
}

/// The same for a row that sees `window`, some of which is in the span of n tokens at `first`.
CK_VECTOR_FN float softmax_window(const ck_attend_args *args, float *s, ck_window window, size_t first, size_t n,
                                  size_t r) {
  size_t skip = (size_t)window.first > first ? (size_t)window.first - first : 0;
  size_t keep = ck_min((size_t)window.last + 1 - first, n);
  return softmax_row(args, s, skip, keep, n, args->m + r, args->l + r);
}
