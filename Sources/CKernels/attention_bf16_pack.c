// Packs a block of bf16 for the levels that multiply pairs (attention_bf16.h has the layout).
#include "kernels.h"

#if CK_X86
#include "attention_bf16.h"

/// Transposes a [16][16] of 32-bit numbers.
CK_BF16_FN void transpose(__m512i row[16]) {
  __m512i a[16];
  for (int i = 0; i < 16; i += 2) {
    a[i] = _mm512_unpacklo_epi32(row[i], row[i + 1]);
    a[i + 1] = _mm512_unpackhi_epi32(row[i], row[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    row[i] = _mm512_unpacklo_epi64(a[i], a[i + 2]);
    row[i + 1] = _mm512_unpackhi_epi64(a[i], a[i + 2]);
    row[i + 2] = _mm512_unpacklo_epi64(a[i + 1], a[i + 3]);
    row[i + 3] = _mm512_unpackhi_epi64(a[i + 1], a[i + 3]);
  }
  for (int i = 0; i < 4; i++) {
    a[i] = _mm512_shuffle_i32x4(row[i], row[i + 4], 0x88);
    a[i + 4] = _mm512_shuffle_i32x4(row[i], row[i + 4], 0xdd);
    a[i + 8] = _mm512_shuffle_i32x4(row[i + 8], row[i + 12], 0x88);
    a[i + 12] = _mm512_shuffle_i32x4(row[i + 8], row[i + 12], 0xdd);
  }
  for (int i = 0; i < 8; i++) {
    row[i] = _mm512_shuffle_i32x4(a[i], a[i + 8], 0x88);
    row[i + 8] = _mm512_shuffle_i32x4(a[i], a[i + 8], 0xdd);
  }
}

/// Up to 32 elements from element d of token t; zeros beyond head_dim and beyond the block.
CK_BF16_FN __m512i load_row(const ck_attend_args *args, const void *base, size_t t, size_t d) {
  size_t real = t >= args->tokens || d >= args->head_dim ? 0 : ck_min(32, args->head_dim - d);
  __mmask32 live = (__mmask32)(((uint64_t)1 << real) - 1);
  return _mm512_maskz_loadu_epi16(live, (const uint16_t *)base + t * args->head_dim + d);
}

CK_BF16_TARGET static void pack_keys(const ck_attend_args *args, packed_pairs block) {
  for (size_t t = 0; t < ck_round_up(args->tokens, 32); t += 16) {
    for (size_t d = 0; d < block.dimensions; d += 32) {
      __m512i row[16];
      for (int i = 0; i < 16; i++) row[i] = load_row(args, args->k, t + (size_t)i, d);
      transpose(row);
      uint32_t *out = (uint32_t *)ck_key_tile(block, t / 16, d / 32);
      for (int i = 0; i < 16; i++) _mm512_store_si512(out + 16 * i, row[i]);
    }
  }
}

CK_BF16_TARGET static void pack_values(const ck_attend_args *args, packed_pairs block) {
  // Interleaves one token's sixteen elements with the next one's: 0, 32, 1, 33 ... and 16, 48, 17, 49 ...
  __m512i counting = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  __m512i low = _mm512_or_si512(counting, _mm512_slli_epi32(_mm512_add_epi32(counting, _mm512_set1_epi32(32)), 16));
  __m512i high = _mm512_add_epi16(low, _mm512_set1_epi16(16));
  for (size_t t = 0; t < ck_round_up(args->tokens, 32); t += 2) {
    for (size_t d = 0; d < block.dimensions; d += 32) {
      __m512i even = load_row(args, args->v, t, d), odd = load_row(args, args->v, t + 1, d);
      uint32_t *out = (uint32_t *)ck_value_tile(block, t / 32, d / 16) + t % 32 / 2 * 16;
      _mm512_store_si512(out, _mm512_permutex2var_epi16(even, low, odd));
      _mm512_store_si512(out + TILE_PAIRS, _mm512_permutex2var_epi16(even, high, odd));
    }
  }
}

CK_BF16_TARGET void ck_pack_pairs(const ck_attend_args *args, void *packed) {
  packed_pairs block = ck_packed_pairs(args, packed);
  pack_keys(args, block);
  pack_values(args, block);
}
#endif
