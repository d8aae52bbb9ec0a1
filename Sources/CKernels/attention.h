// What the block-attention kernels share. Private to this target.
//
// A running maximum is kept in base-2 units, of q.k * scale * log2(e): p = 2^(s c - m) is then one fused multiply-add
// and one 2^x, and a rounded m costs nothing, since numerator, sum and rescaling all use the same one.
#ifndef CK_ATTENTION_H
#define CK_ATTENTION_H

#include "kernels.h"
#include "number_formats.h"

#define CK_LOG2_E 0x1.715476p+0f

/// The tokens of the block that a row sees: `first` to `last`, none where `last` is below `first`.
typedef struct {
  int32_t first, last;
} ck_window;

static inline ck_window ck_row_window(const ck_attend_args *args, size_t r) {
  ck_window window = {0, (int32_t)args->tokens - 1};
  if (args->limit && args->limit[r] < window.last) window.last = args->limit[r];
  if (args->start && args->start[r] > 0) window.first = args->start[r];
  // One spelling of nothing, so that no later comparison has to think of it.
  if (window.last < window.first) window = (ck_window){INT32_MAX, -1};
  return window;
}

/// Whether the window has a token of first ..< first + n.
static inline bool ck_sees(ck_window window, size_t first, size_t n) {
  return window.last >= (int64_t)first && window.first < (int64_t)(first + n);
}

/// Fills `windows` for rows row0 ..< row0 + n (empty ones up to `tile`) and returns the tokens that any of them sees,
/// from a multiple of `step` on; nothing where `last` is below `first`.
static inline ck_window ck_tile_windows(const ck_attend_args *args, size_t row0, size_t n, size_t tile, size_t step,
                                        ck_window *windows) {
  ck_window all = {INT32_MAX, -1};
  for (size_t r = 0; r < tile; r++) {
    windows[r] = r < n ? ck_row_window(args, row0 + r) : (ck_window){INT32_MAX, -1};
    if (windows[r].last > all.last) all.last = windows[r].last;
    if (windows[r].first < all.first) all.first = windows[r].first;
  }
  if (all.last >= 0) all.first -= all.first % (int32_t)step;
  return all;
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
