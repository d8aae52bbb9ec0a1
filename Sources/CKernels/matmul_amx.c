// Matrix products with AMX: 32 rows x 32 outputs at a time in four of the eight tiles, over all inputs in order.
//
// Packed weights: for every 32 outputs, for every 32 inputs, two tiles of 16 outputs; a tile holds, for each pair of
// inputs, the pair's two weights for each of the 16 outputs. So a product reads the pack from front to back.
#include "kernels.h"
#include "number_formats.h"

enum { TILE_ELEMENTS = 512, STEP = CK_MATMUL_STEP };

bool ck_matmul_available(void) { return ck_get_level() >= CK_AMX_BF16; }

void ck_matmul_pack(const float *weights, size_t inputs, size_t outputs, void *packed) {
  ck_require(inputs % STEP == 0 && outputs % STEP == 0 && (uintptr_t)packed % 64 == 0);
  uint16_t *out = packed;
  for (size_t n = 0; n < outputs; n += STEP)
    for (size_t k = 0; k < inputs; k += STEP)
      for (size_t half = 0; half < 2; half++)
        for (size_t pair = 0; pair < 16; pair++)
          for (size_t column = 0; column < 16; column++)
            for (size_t of_pair = 0; of_pair < 2; of_pair++)
              *out++ = ck_bf16_bits(weights[(n + 16 * half + column) * inputs + k + 2 * pair + of_pair]);
}

#if CK_X86
#include <immintrin.h>

#define AMX_TARGET __attribute__((target("amx-tile,amx-bf16,avx512f")))
#define AMX_FN static inline __attribute__((always_inline, target("amx-tile,amx-bf16,avx512f")))

AMX_FN void configure(void) {
  struct {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
  } __attribute__((packed)) config = {.palette = 1};
  for (int i = 0; i < 8; i++) {
    config.row_bytes[i] = 64;
    config.rows[i] = 16;
  }
  _tile_loadconfig(&config);
}

// Tiles: sums 0 ... 3 (row half, output half), x 4 and 5, weights 6 and 7.
AMX_FN void multiply_square(const uint16_t *x, size_t x_bytes, const uint16_t *w, size_t inputs, float *out,
                            size_t out_bytes, const bool both) {
  const char *lower = (const char *)x + 16 * x_bytes;
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (size_t k = 0; k < inputs; k += STEP, w += 2 * TILE_ELEMENTS) {
    _tile_loadd(4, x + k, x_bytes);
    _tile_loadd(6, w, 64);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, w + TILE_ELEMENTS, 64);
    _tile_dpbf16ps(1, 4, 7);
    if (both) {
      _tile_loadd(5, lower + 2 * k, x_bytes);
      _tile_dpbf16ps(2, 5, 6);
      _tile_dpbf16ps(3, 5, 7);
    }
  }
  _tile_stored(0, out, out_bytes);
  _tile_stored(1, out + 16, out_bytes);
  if (both) {
    float *below = (float *)((char *)out + 16 * out_bytes);
    _tile_stored(2, below, out_bytes);
    _tile_stored(3, below + 16, out_bytes);
  }
}

AMX_TARGET void ck_matmul(const uint16_t *x, size_t x_stride, const void *packed, size_t inputs, size_t outputs,
                          float *out, size_t out_stride, size_t rows) {
  ck_require(ck_matmul_available() && inputs % STEP == 0 && outputs % STEP == 0);
  ck_require(x_stride >= inputs && out_stride >= outputs);
  const uint16_t *w = packed;
  configure();
  for (size_t n = 0; n < outputs; n += STEP, w += STEP * inputs)
    for (size_t r = 0; r < rows; r += STEP) {
      const uint16_t *from = x + r * x_stride;
      float *to = out + r * out_stride + n;
      if (rows - r > 16)
        multiply_square(from, 2 * x_stride, w, inputs, to, 4 * out_stride, true);
      else
        multiply_square(from, 2 * x_stride, w, inputs, to, 4 * out_stride, false);
    }
  _tile_release();
}
#else
void ck_matmul(const uint16_t *x, size_t x_stride, const void *packed, size_t inputs, size_t outputs, float *out,
               size_t out_stride, size_t rows) {
  ck_require(false);
}
#endif
