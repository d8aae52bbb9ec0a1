// What the block-attention kernels share. Private to this target.
//
// A running maximum is kept in base-2 units, of q.k * scale * log2(e): p = 2^(s c - m) is then one fused multiply-add
// and one 2^x, and a rounded m costs nothing, since numerator, sum and rescaling all use the same one.
#ifndef CK_ATTENTION_H
#define CK_ATTENTION_H

#include "kernels.h"
#include "number_formats.h"

#define CK_LOG2_E 0x1.715476p+0f

/// The last token of the block that row r sees; below 0 where it sees none.
static inline int32_t ck_last_visible(const ck_attend_args *args, size_t r) {
  int32_t last = (int32_t)args->tokens - 1;
  return args->limit && args->limit[r] < last ? args->limit[r] : last;
}

/// Fills `last` for rows row0 ..< row0 + n (-1 up to `tile`) and returns how many tokens the most seeing of them
/// sees.
static inline size_t ck_visible_tokens(const ck_attend_args *args, size_t row0, size_t n, size_t tile, int32_t *last) {
  int32_t most = -1;
  for (size_t r = 0; r < tile; r++) {
    last[r] = r < n ? ck_last_visible(args, row0 + r) : -1;
    if (last[r] > most) most = last[r];
  }
  return (size_t)(most + 1);
}

/// Element i of an array of `dtype`, as f32.
CK_INLINE float ck_element(const void *base, ck_dtype dtype, size_t i) {
  switch (dtype) {
  case CK_BF16: return ck_bf16_value(((const uint16_t *)base)[i]);
  case CK_F16: return ck_f16_value(((const uint16_t *)base)[i]);
  default: return ((const float *)base)[i];
  }
}

#endif
