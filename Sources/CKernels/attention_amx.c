// Block attention with AMX: 32 rows at a time, sums of two row tiles x two column tiles in four of the eight tiles.
#include "kernels.h"

#if CK_X86
#include "attention_bf16.h"

#define AMX_FN static inline __attribute__((always_inline, target("amx-tile,amx-bf16,avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")))
#define AMX_TARGET __attribute__((target("amx-tile,amx-bf16,avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")))

// Tiles by number: sums 0 ... 3 (row tile, column tile), left operands 4 and 5, right operands 6 and 7.
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

AMX_FN void zero_sums(void) {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
}

AMX_FN void multiply(const void *a0, const void *a1, size_t a_stride, const uint32_t *b0, const uint32_t *b1) {
  _tile_loadd(4, a0, a_stride);
  _tile_loadd(6, b0, 64);
  _tile_loadd(7, b1, 64);
  _tile_dpbf16ps(0, 4, 6);
  _tile_dpbf16ps(1, 4, 7);
  if (a1) {
    _tile_loadd(5, a1, a_stride);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
}

AMX_FN void store_sums(float *out0, float *out1, size_t stride) {
  _tile_stored(0, out0, stride);
  _tile_stored(1, out0 + 16, stride);
  if (out1) {
    _tile_stored(2, out1, stride);
    _tile_stored(3, out1 + 16, stride);
  }
}

typedef struct {
  _Alignas(64) uint16_t q[2][TILE_ROWS * CK_MAX_HEAD_DIM];
  _Alignas(64) float partial[2][TILE_ROWS * 32];
  row_tile tile[2];
} row_pair;

AMX_FN void attend_span(const ck_attend_args *args, packed_pairs block, row_pair *pair, const bool two, size_t first,
                        size_t n) {
  float c = args->scale * CK_LOG2_E;
  row_tile *t0 = &pair->tile[0], *t1 = &pair->tile[1];
  for (size_t t = 0; t < n; t += 32) {
    zero_sums();
    for (size_t d = 0; d < block.dimensions; d += 32)
      multiply(pair->q[0] + d, two ? pair->q[1] + d : NULL, 2 * CK_MAX_HEAD_DIM,
               ck_key_tile(block, (first + t) / 16, d / 32), ck_key_tile(block, (first + t) / 16 + 1, d / 32));
    store_sums(t0->scores[0] + t, two ? t1->scores[0] + t : NULL, sizeof t0->scores[0]);
  }
  for (int i = 0; i < (two ? 2 : 1); i++) {
    row_tile *tile = &pair->tile[i];
    for (size_t r = 0; r < TILE_ROWS; r++) {
      ck_mask_row(tile, r, first, n);
      ck_row_maximum(tile, r, n);
    }
    ck_merge_maxima(args, tile, c);
    for (size_t r = 0; r < TILE_ROWS; r++) ck_exponentiate_row(tile, r, n, c);
    ck_merge_sums(args, tile);
  }
  for (size_t d = 0; d < args->head_dim; d += 32) {
    zero_sums();
    for (size_t t = 0; t < n; t += 32)
      multiply((uint16_t *)t0->scores + t, two ? (uint16_t *)t1->scores + t : NULL, sizeof t0->scores[0],
               ck_value_tile(block, (first + t) / 32, d / 16), ck_value_tile(block, (first + t) / 32, d / 16 + 1));
    store_sums(pair->partial[0], two ? pair->partial[1] : NULL, 128);
    ck_merge_output(args, t0, first, d, 2, pair->partial[0], 32);
    if (two) ck_merge_output(args, t1, first, d, 2, pair->partial[1], 32);
  }
}

AMX_FN size_t prepare(const ck_attend_args *args, row_pair *pair, int i, size_t row0) {
  row_tile *tile = &pair->tile[i];
  tile->row0 = row0;
  tile->rows = row0 < args->rows ? ck_min(TILE_ROWS, args->rows - row0) : 0;
  size_t visible = ck_visible_tokens(args, row0, tile->rows, TILE_ROWS, tile->last);
  if (tile->rows > 0) ck_load_queries(args, row0, tile->rows, pair->q[i]);
  return visible;
}

AMX_TARGET static void attend(const ck_attend_args *args, const void *packed) {
  row_pair pair;
  packed_pairs block = ck_packed_pairs(args, packed);
  configure();
  for (size_t r = 0; r < args->rows; r += 2 * TILE_ROWS) {
    size_t visible0 = prepare(args, &pair, 0, r), visible1 = prepare(args, &pair, 1, r + TILE_ROWS);
    size_t visible = visible0 > visible1 ? visible0 : visible1;
    for (size_t first = 0; first < visible; first += CK_SPAN_TOKENS) {
      size_t n = ck_round_up(ck_min(CK_SPAN_TOKENS, visible - first), 32);
      if (pair.tile[1].rows > 0)
        attend_span(args, block, &pair, true, first, n);
      else
        attend_span(args, block, &pair, false, first, n);
    }
  }
  _tile_release();
}

static void attend_unpacked(const ck_attend_args *args) { ck_attention_avx512.attend_unpacked(args); }

const ck_attention ck_attention_amx = {.pack = ck_pack_pairs, .attend = attend, .attend_unpacked = attend_unpacked};
#endif
