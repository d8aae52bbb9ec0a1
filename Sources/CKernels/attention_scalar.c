// Block attention in plain C: the reference that the other levels are tested against, and the fallback.
#include <math.h>

#include "attention.h"

#pragma STDC FP_CONTRACT OFF

// Scores of one row against tokens first ..< first + n, scaled to base-2 units; returns their maximum.
static float score(const ck_attend_args *args, const void *k, ck_dtype dtype, size_t r, size_t first, size_t n,
                   float *s) {
  float c = args->scale * CK_LOG2_E, most = -INFINITY;
  for (size_t t = 0; t < n; t++) {
    float sum = 0;
    for (size_t d = 0; d < args->head_dim; d++)
      sum += ck_element(args->q, args->dtype, r * args->q_stride + d) *
             ck_element(k, dtype, (first + t) * args->head_dim + d);
    s[t] = args->soft_cap > 0 ? args->soft_cap * tanhf(sum * args->scale / args->soft_cap) * CK_LOG2_E : sum * c;
    if (s[t] > most) most = s[t];
  }
  return most;
}

static void attend_row(const ck_attend_args *args, const void *k, const void *v, ck_dtype dtype, size_t r) {
  float s[CK_SPAN_TOKENS];
  ck_window window = ck_row_window(args, r);
  size_t head_dim = args->head_dim, visible = (size_t)(window.last + 1);
  float *o = args->o + r * head_dim;
  for (size_t first = (size_t)window.first; first < visible; first += CK_SPAN_TOKENS) {
    size_t n = ck_min(CK_SPAN_TOKENS, visible - first);
    float most = score(args, k, dtype, r, first, n, s);
    float m = most > args->m[r] ? most : args->m[r];
    float base = m == -INFINITY ? 0 : m, rescale = exp2f(args->m[r] - base), sum = 0;
    for (size_t t = 0; t < n; t++) sum += s[t] = exp2f(s[t] - base);
    for (size_t d = 0; d < head_dim; d++) {
      float partial = 0;
      for (size_t t = 0; t < n; t++) partial += s[t] * ck_element(v, dtype, (first + t) * head_dim + d);
      o[d] = o[d] * rescale + partial;
    }
    args->m[r] = m;
    args->l[r] = args->l[r] * rescale + sum;
  }
}

static void pack(const ck_attend_args *args, void *packed) {
  float *k = packed, *v = k + args->tokens * args->head_dim;
  for (size_t i = 0; i < args->tokens * args->head_dim; i++) {
    k[i] = ck_element(args->k, args->dtype, i);
    v[i] = ck_element(args->v, args->dtype, i);
  }
}

static void attend(const ck_attend_args *args, const void *packed) {
  const float *k = packed, *v = k + args->tokens * args->head_dim;
  for (size_t r = 0; r < args->rows; r++)
    if (ck_row_window(args, r).last >= 0) attend_row(args, k, v, CK_F32, r);
}

static void attend_unpacked(const ck_attend_args *args) {
  for (size_t r = 0; r < args->rows; r++)
    if (ck_row_window(args, r).last >= 0) attend_row(args, args->k, args->v, args->dtype, r);
}

const ck_attention ck_attention_scalar = {.pack = pack, .attend = attend, .attend_unpacked = attend_unpacked};
