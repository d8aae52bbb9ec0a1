// Template: the softmax of one row's scores, merged into its running state. Include a vector header first.
#include "attention.h"

enum { SPAN_VECTORS = CK_SPAN_TOKENS / VECTOR_LANES };

/// Turns the first `keep` scores (at least 1) of s into p = 2^(s c - m), and the rest up to `n` into 0. Updates the
/// row's m and l, and returns what its output must be multiplied by.
CK_VECTOR_FN float softmax_row(float *s, size_t keep, size_t n, float c, float *m, float *l) {
  size_t live = (keep + VECTOR_LANES - 1) / VECTOR_LANES, all = (n + VECTOR_LANES - 1) / VECTOR_LANES;
  float *tail = s + (live - 1) * VECTOR_LANES;
  vf_store(tail, vf_keep_first(vf_load(tail), keep - (live - 1) * VECTOR_LANES));
  vf most = vf_load(s);
  for (size_t i = 1; i < live; i++) most = vf_max(most, vf_load(s + i * VECTOR_LANES));

  float before = *m, highest = vf_most(most) * c, after = highest > before ? highest : before;
  // Nothing but -infinity so far: any finite base gives p = 0.
  float base = after == -INFINITY ? 0 : after;
  vf scale = vf_set1(c), minus_base = vf_set1(-base), sum = vf_set1(0);
  for (size_t i = 0; i < live; i++) {
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
