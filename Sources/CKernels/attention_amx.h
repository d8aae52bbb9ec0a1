// AMX tiles, and the two products of block attention. Private to attention_amx.c.
#ifndef CK_ATTENTION_AMX_H
#define CK_ATTENTION_AMX_H

#include "attention_bf16.h"

#define AMX_TARGET \
  __attribute__((target("amx-tile,amx-bf16,avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")))
#define AMX_FN static inline __attribute__((always_inline)) AMX_TARGET

enum {
  UNIT_ROWS = 2 * TILE_ROWS,
  STRIP_TOKENS = 32,                   // scored and exponentiated together
  POWER_STRIDE = CK_SPAN_TOKENS + 32,  // of bf16; a line more than the span, against cache sets that coincide
};

/// 32 rows on their way through a span of tokens.
typedef struct {
  _Alignas(64) uint16_t q[CK_MAX_HEAD_DIM / 32][UNIT_ROWS][32];
  _Alignas(64) uint16_t powers[UNIT_ROWS][POWER_STRIDE];
  _Alignas(64) float lanes[UNIT_ROWS][16];  // sums of powers
  _Alignas(64) float minus_base[UNIT_ROWS];
  _Alignas(64) float rescale[UNIT_ROWS];
  ck_window windows[UNIT_ROWS];  // tokens of the block a row sees
  size_t row0, rows;
} unit;

AMX_FN void configure_tiles(void) {
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

// Sums are in tiles 0 ... 3 (row tile, column tile), left operands in 4 and 5, right operands in 6 and 7.
AMX_FN void zero_sums(void) {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
}

/// sums += (a0, a1) x (b0, b1): two row tiles times two column tiles, 32 deep.
AMX_FN void multiply(bool two, const void *a0, const void *a1, size_t a_stride, const uint32_t *b0,
                     const uint32_t *b1) {
  _tile_loadd(4, a0, a_stride);
  _tile_loadd(6, b0, 64);
  _tile_dpbf16ps(0, 4, 6);
  _tile_loadd(7, b1, 64);
  _tile_dpbf16ps(1, 4, 7);
  if (!two) return;
  _tile_loadd(5, a1, a_stride);
  _tile_dpbf16ps(2, 5, 6);
  _tile_dpbf16ps(3, 5, 7);
}

AMX_FN void store_sums(bool two, float (*out)[32]) {
  _tile_stored(0, out[0], 128);
  _tile_stored(1, out[0] + 16, 128);
  if (!two) return;
  _tile_stored(2, out[TILE_ROWS], 128);
  _tile_stored(3, out[TILE_ROWS] + 16, 128);
}

/// The scores of the strip at token `first` of the block.
AMX_FN void score_strip(const unit *u, packed_pairs block, size_t first, float (*scores)[32]) {
  bool two = u->rows > TILE_ROWS;
  zero_sums();
  for (size_t i = 0; i < block.dimensions / 32; i++)
    multiply(two, u->q[i][0], u->q[i][TILE_ROWS], 64, ck_key_tile(block, first / 16, i),
             ck_key_tile(block, first / 16 + 1, i));
  store_sums(two, scores);
}

/// partial = powers x values: tokens first ..< first + n, dimensions d ..< d + 32.
AMX_FN void multiply_values(const unit *u, packed_pairs block, size_t first, size_t n, size_t d,
                            float (*partial)[32]) {
  bool two = u->rows > TILE_ROWS;
  zero_sums();
  for (size_t t = 0; t < n; t += 32)
    multiply(two, u->powers[0] + t, u->powers[TILE_ROWS] + t, 2 * POWER_STRIDE,
             ck_value_tile(block, (first + t) / 32, d / 16), ck_value_tile(block, (first + t) / 32, d / 16 + 1));
  store_sums(two, partial);
}

/// o = o * rescale + partial for dimensions d ..< d + 32, of which those below head_dim are real, in the rows that
/// see some of tokens first ..< first + n.
AMX_FN void merge_output(const ck_attend_args *args, const unit *u, size_t first, size_t n, size_t d,
                         float (*partial)[32]) {
  size_t real = ck_min(32, args->head_dim - d);
  __mmask16 real0 = (__mmask16)(real >= 16 ? 0xffff : (1u << real) - 1);
  __mmask16 real1 = (__mmask16)(real > 16 ? (1u << (real - 16)) - 1 : 0);
  float *o = args->o + u->row0 * args->head_dim + d;
  for (size_t r = 0; r < u->rows; r++, o += args->head_dim) {
    if (!ck_sees(u->windows[r], first, n)) continue;
    __m512 rescale = _mm512_set1_ps(u->rescale[r]);
    __m512 o0 = _mm512_maskz_loadu_ps(real0, o), o1 = _mm512_maskz_loadu_ps(real1, o + 16);
    _mm512_mask_storeu_ps(o, real0, _mm512_fmadd_ps(o0, rescale, _mm512_load_ps(partial[r])));
    _mm512_mask_storeu_ps(o + 16, real1, _mm512_fmadd_ps(o1, rescale, _mm512_load_ps(partial[r] + 16)));
  }
}

#endif
