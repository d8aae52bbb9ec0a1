// Template: attention of a few rows to K and V where they lie, in f32 arithmetic whatever the dtype. Decode reads
// each block once, so memory sets its pace: K and V are read once for up to GROUP_ROWS rows. Include
// attention_softmax.h first.
enum { GROUP_ROWS = 4, GROUP_VECTORS = VECTOR_LANES == 16 ? 4 : 2 };

typedef struct {
  float q[GROUP_ROWS][CK_MAX_HEAD_DIM];
  float s[GROUP_ROWS][CK_SPAN_TOKENS];
  float rescale[GROUP_ROWS];
  bool sees[GROUP_ROWS];
} row_group;

/// s[r][t] = q[r] . k[first + t]
CK_VECTOR_FN void score_tokens(const ck_attend_args *args, ck_dtype dtype, row_group *group, size_t rows, size_t first,
                               size_t n) {
  size_t head_dim = args->head_dim;
  for (size_t t = 0; t < n; t++) {
    vf sum[GROUP_ROWS] = {vf_set1(0), vf_set1(0), vf_set1(0), vf_set1(0)};
    for (size_t d = 0; d < head_dim; d += VECTOR_LANES) {
      vf k = vf_load_first(args->k, dtype, (first + t) * head_dim + d, head_dim - d);
      for (size_t r = 0; r < GROUP_ROWS; r++) sum[r] = vf_fma(vf_load(group->q[r] + d), k, sum[r]);
    }
    for (size_t r = 0; r < rows; r++) group->s[r][t] = vf_sum(sum[r]);
  }
}

/// o[r] = o[r] * rescale[r] + sum over t of s[r][t] * v[first + t], a few vectors of dimensions at a time.
CK_VECTOR_FN void gather_values(const ck_attend_args *args, ck_dtype dtype, const row_group *group, size_t row0,
                                size_t rows, size_t first, size_t n) {
  size_t head_dim = args->head_dim, step = GROUP_VECTORS * VECTOR_LANES;
  for (size_t d = 0; d < head_dim; d += step) {
    vf sum[GROUP_ROWS][GROUP_VECTORS];
    for (int r = 0; r < GROUP_ROWS; r++)
      for (int j = 0; j < GROUP_VECTORS; j++) sum[r][j] = vf_set1(0);
    for (size_t t = 0; t < n; t++) {
      for (int j = 0; j < GROUP_VECTORS; j++) {
        size_t at = d + (size_t)j * VECTOR_LANES;
        vf v = vf_load_first(args->v, dtype, (first + t) * head_dim + at, at < head_dim ? head_dim - at : 0);
        for (int r = 0; r < GROUP_ROWS; r++) sum[r][j] = vf_fma(vf_set1(group->s[r][t]), v, sum[r][j]);
      }
    }
    for (size_t r = 0; r < rows; r++) {
      if (!group->sees[r]) continue;
      for (int j = 0; j < GROUP_VECTORS; j++) {
        size_t at = d + (size_t)j * VECTOR_LANES;
        if (at >= head_dim) break;
        float *o = args->o + (row0 + r) * head_dim + at;
        vf old = vf_load_first(o, CK_F32, 0, head_dim - at);
        vf_store_first(o, vf_fma(old, vf_set1(group->rescale[r]), sum[r][j]), head_dim - at);
      }
    }
  }
}

CK_VECTOR_FN void attend_group(const ck_attend_args *args, ck_dtype dtype, size_t row0, size_t rows) {
  row_group group;
  ck_window windows[GROUP_ROWS];
  size_t head_dim = args->head_dim;
  ck_window seen = ck_tile_windows(args, row0, rows, GROUP_ROWS, VECTOR_LANES, windows);
  if (seen.last < 0) return;
  for (size_t r = 0; r < GROUP_ROWS; r++)
    for (size_t d = 0; d < head_dim; d += VECTOR_LANES)
      vf_store(group.q[r] + d, r < rows ? vf_load_first(args->q, dtype, (row0 + r) * args->q_stride + d, head_dim - d)
                                        : vf_set1(0));
  for (size_t span = (size_t)seen.first / CK_SPAN_TOKENS * CK_SPAN_TOKENS; (int64_t)span <= seen.last;
       span += CK_SPAN_TOKENS) {
    size_t first = span < (size_t)seen.first ? (size_t)seen.first : span;
    size_t n = ck_min(span + CK_SPAN_TOKENS, (size_t)seen.last + 1) - first;
    score_tokens(args, dtype, &group, rows, first, n);
    for (size_t r = 0; r < GROUP_ROWS; r++) {
      group.sees[r] = ck_sees(windows[r], first, n);
      if (group.sees[r])
        group.rescale[r] = softmax_window(args, group.s[r], windows[r], first, n, row0 + r);
      else
        memset(group.s[r], 0, sizeof group.s[r]);
    }
    gather_values(args, dtype, &group, row0, rows, first, n);
  }
}

CK_VECTOR_TARGET static void attend_unpacked(const ck_attend_args *args) {
  for (size_t r = 0; r < args->rows; r += GROUP_ROWS) {
    size_t rows = ck_min(GROUP_ROWS, args->rows - r);
    switch (args->dtype) {
    case CK_F32: attend_group(args, CK_F32, r, rows); break;
    case CK_BF16: attend_group(args, CK_BF16, r, rows); break;
    case CK_F16: attend_group(args, CK_F16, r, rows); break;
    }
  }
}
