#include "levels.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,gfni")))

AVX512 static void survey(const uint16_t *matrix, size_t tokens, size_t channels, unsigned exponent_bits,
                          tier_planes_statistics *statistics) {
  size_t whole = channels / 32 * 32, sampled = tokens < TIER_PLANES_SAMPLE ? tokens : TIER_PLANES_SAMPLE;
  const __m512i magnitude = _mm512_set1_epi16(0x7fff);
  const __m128i exponent = _mm_cvtsi32_si128((int)(15 - exponent_bits));
  for (size_t c = 0; c < whole; c += 32) {
    __m512i largest = _mm512_setzero_si512(), sum = largest, negatives = largest;
    for (size_t t = 0; t < sampled; t++) {
      __m512i x = _mm512_loadu_si512(matrix + t * channels + c);
      __m512i m = _mm512_and_si512(x, magnitude);
      largest = _mm512_max_epu16(largest, m);
      sum = _mm512_add_epi16(sum, _mm512_srl_epi16(m, exponent));
      negatives = _mm512_add_epi16(negatives, _mm512_srli_epi16(x, 15));
    }
    for (size_t t = sampled; t < tokens; t++) {
      __m512i x = _mm512_loadu_si512(matrix + t * channels + c);
      largest = _mm512_max_epu16(largest, _mm512_and_si512(x, magnitude));
    }
    uint16_t largest_of[32], sum_of[32], negatives_of[32];
    _mm512_storeu_si512(largest_of, largest);
    _mm512_storeu_si512(sum_of, sum);
    _mm512_storeu_si512(negatives_of, negatives);
    for (size_t i = 0; i < 32; i++) {
      statistics[c + i] = (tier_planes_statistics){largest_of[i], sum_of[i], negatives_of[i]};
    }
  }
  tier_planes_survey_part(matrix, tokens, channels, exponent_bits, statistics, whole);
}

/// Eight channels of four rows: one 128-bit lane each.
AVX512 static inline __m512i load_rows(const uint16_t *at, size_t channels, size_t r0, size_t r1, size_t r2,
                                       size_t r3) {
  __m512i x = _mm512_castsi128_si512(_mm_loadu_si128((const void *)(at + r0 * channels)));
  x = _mm512_inserti32x4(x, _mm_loadu_si128((const void *)(at + r1 * channels)), 1);
  x = _mm512_inserti32x4(x, _mm_loadu_si128((const void *)(at + r2 * channels)), 2);
  return _mm512_inserti32x4(x, _mm_loadu_si128((const void *)(at + r3 * channels)), 3);
}

/// Transposes 8 × 8 words in each lane.
AVX512 static inline void transpose_lanes(__m512i v[8]) {
  __m512i a0 = _mm512_unpacklo_epi16(v[0], v[1]), a1 = _mm512_unpackhi_epi16(v[0], v[1]);
  __m512i a2 = _mm512_unpacklo_epi16(v[2], v[3]), a3 = _mm512_unpackhi_epi16(v[2], v[3]);
  __m512i a4 = _mm512_unpacklo_epi16(v[4], v[5]), a5 = _mm512_unpackhi_epi16(v[4], v[5]);
  __m512i a6 = _mm512_unpacklo_epi16(v[6], v[7]), a7 = _mm512_unpackhi_epi16(v[6], v[7]);
  __m512i b0 = _mm512_unpacklo_epi32(a0, a2), b1 = _mm512_unpackhi_epi32(a0, a2);
  __m512i b2 = _mm512_unpacklo_epi32(a4, a6), b3 = _mm512_unpackhi_epi32(a4, a6);
  __m512i b4 = _mm512_unpacklo_epi32(a1, a3), b5 = _mm512_unpackhi_epi32(a1, a3);
  __m512i b6 = _mm512_unpacklo_epi32(a5, a7), b7 = _mm512_unpackhi_epi32(a5, a7);
  v[0] = _mm512_unpacklo_epi64(b0, b2), v[1] = _mm512_unpackhi_epi64(b0, b2);
  v[2] = _mm512_unpacklo_epi64(b1, b3), v[3] = _mm512_unpackhi_epi64(b1, b3);
  v[4] = _mm512_unpacklo_epi64(b4, b6), v[5] = _mm512_unpackhi_epi64(b4, b6);
  v[6] = _mm512_unpacklo_epi64(b5, b7), v[7] = _mm512_unpackhi_epi64(b5, b7);
}

/// One channel's parameters in every word, and the masks of tier_planes_fold.
typedef struct {
  __m512i top, shift, flip, mask, low;
} folding;

AVX512 static inline folding folding_of(tier_planes_channel c, unsigned exponent_bits) {
  return (folding){_mm512_set1_epi16((short)c.top), _mm512_set1_epi16((short)c.shift),
                   _mm512_set1_epi16((short)c.flip),
                   _mm512_set1_epi16((short)tier_planes_exponent_mask(exponent_bits)),
                   _mm512_set1_epi16((short)tier_planes_low_mask(exponent_bits))};
}

/// mask ? a : b
AVX512 static inline __m512i merge(__m512i mask, __m512i a, __m512i b) {
  return _mm512_ternarylogic_epi64(mask, a, b, 0xca);
}

AVX512 static inline __m512i fold(__m512i x, folding f) {
  __m512i rotated = _mm512_or_si512(_mm512_slli_epi16(x, 1), _mm512_srli_epi16(x, 15));
  __m512i distance = _mm512_sub_epi16(f.top, _mm512_and_si512(rotated, f.mask));
  __m512i shifted = merge(f.low, _mm512_sub_epi16(distance, f.shift), distance);
  return merge(f.mask, shifted, _mm512_xor_si512(rotated, f.flip));
}

AVX512 static inline __m512i unfold(__m512i y, folding f) {
  __m512i distance = _mm512_and_si512(merge(f.low, _mm512_add_epi16(y, f.shift), y), f.mask);
  __m512i rotated = merge(f.mask, _mm512_sub_epi16(f.top, distance), _mm512_xor_si512(y, f.flip));
  return _mm512_or_si512(_mm512_srli_epi16(rotated, 1), _mm512_slli_epi16(rotated, 15));
}

/// Byte j of eight words becomes word j: the bytes of 8 groups of tokens by plane, and back.
AVX512 static inline __m512i transpose_bytes(__m512i x) {
  const __m512i order = _mm512_set_epi8(
      63, 55, 47, 39, 31, 23, 15, 7, 62, 54, 46, 38, 30, 22, 14, 6, 61, 53, 45, 37, 29, 21, 13, 5, 60, 52, 44, 36, 28,
      20, 12, 4, 59, 51, 43, 35, 27, 19, 11, 3, 58, 50, 42, 34, 26, 18, 10, 2, 57, 49, 41, 33, 25, 17, 9, 1, 56, 48, 40,
      32, 24, 16, 8, 0);
  return _mm512_permutexvar_epi8(order, x);
}

/// Bit i of byte 7 - j of each word becomes bit j of its byte i: a multiplication by the identity, which the
/// instruction reads backwards.
AVX512 static inline __m512i transpose_bits(__m512i x) {
  const __m512i identity = _mm512_set1_epi64((long long)0x8040201008040201);
  return _mm512_gf2p8affine_epi64_epi8(identity, x, 0);
}

/// `bytes` holds 64 tokens' bytes, each group of 8 backwards.
AVX512 static inline void store_bits(__m512i bytes, uint8_t *const planes[], int first, size_t at) {
  uint64_t words[8] __attribute__((aligned(64)));
  _mm512_store_si512(words, transpose_bytes(transpose_bits(bytes)));
  for (int b = 0; b < 8; b++) __builtin_memcpy(planes[first + b] + at, &words[b], 8);
}

/// 64 tokens' bytes, in order.
AVX512 static inline __m512i load_bits(const uint8_t *const planes[], int first, size_t at) {
  // Plane 7 first: the bits' transposition turns each group around.
  __m512i x = _mm512_castsi128_si512(_mm_loadl_epi64((const void *)(planes[first + 7] + at)));
  for (int b = 1; b < 8; b++) {
    long long word;
    __builtin_memcpy(&word, planes[first + 7 - b] + at, 8);
    x = _mm512_mask_set1_epi64(x, (__mmask8)(1 << b), word);
  }
  return transpose_bits(transpose_bytes(x));
}

/// Rows in such an order that packing the two halves keeps tokens in theirs, but for each group of 8, which
/// `store_bits` wants backwards.
AVX512 static void split(const uint16_t *matrix, size_t tokens, size_t channels, unsigned exponent_bits,
                                const tier_planes_channel *channel,
                               uint8_t *const planes[]) {
  size_t rows = (tokens + 7) / 8, whole_tokens = tokens / 64 * 64, whole_channels = channels / 8 * 8;
  const __m512i low = _mm512_set1_epi16(0xff);
  for (size_t c = 0; c < whole_channels; c += 8) {
    for (size_t t = 0; t < whole_tokens; t += 64) {
      __m512i a[8], b[8];
      const uint16_t *at = matrix + t * channels + c;
      for (size_t i = 0; i < 8; i++) {
        a[7 - i] = load_rows(at, channels, i, i + 16, i + 32, i + 48);
        b[7 - i] = load_rows(at, channels, i + 8, i + 24, i + 40, i + 56);
      }
      transpose_lanes(a);
      transpose_lanes(b);
      for (size_t i = 0; i < 8; i++) {
        folding f = folding_of(channel[c + i], exponent_bits);
        __m512i x = fold(a[i], f), y = fold(b[i], f);
        size_t byte = (c + i) * rows + t / 8;
        store_bits(_mm512_packus_epi16(_mm512_and_si512(x, low), _mm512_and_si512(y, low)), planes, 0, byte);
        store_bits(_mm512_packus_epi16(_mm512_srli_epi16(x, 8), _mm512_srli_epi16(y, 8)), planes, 8, byte);
      }
    }
  }
  tier_planes_split_part(matrix, tokens, channels, exponent_bits, channel, planes, whole_tokens, 0, whole_channels);
  tier_planes_split_part(matrix, tokens, channels, exponent_bits, channel, planes, 0, whole_channels,
                         channels - whole_channels);
}

AVX512 static inline void store_rows(__m512i x, uint16_t *at, size_t channels, size_t r0, size_t r1, size_t r2,
                                     size_t r3) {
  _mm_storeu_si128((void *)(at + r0 * channels), _mm512_castsi512_si128(x));
  _mm_storeu_si128((void *)(at + r1 * channels), _mm512_extracti32x4_epi32(x, 1));
  _mm_storeu_si128((void *)(at + r2 * channels), _mm512_extracti32x4_epi32(x, 2));
  _mm_storeu_si128((void *)(at + r3 * channels), _mm512_extracti32x4_epi32(x, 3));
}

AVX512 static void join(uint16_t *matrix, size_t tokens, size_t channels, unsigned exponent_bits,
                               const tier_planes_channel *channel,
                               const uint8_t *const planes[]) {
  size_t rows = (tokens + 7) / 8, whole_tokens = tokens / 64 * 64, whole_channels = channels / 8 * 8;
  for (size_t c = 0; c < whole_channels; c += 8) {
    for (size_t t = 0; t < whole_tokens; t += 64) {
      __m512i a[8], b[8];
      for (size_t i = 0; i < 8; i++) {
        folding f = folding_of(channel[c + i], exponent_bits);
        size_t byte = (c + i) * rows + t / 8;
        __m512i low = load_bits(planes, 0, byte), high = load_bits(planes, 8, byte);
        a[i] = unfold(_mm512_unpacklo_epi8(low, high), f);
        b[i] = unfold(_mm512_unpackhi_epi8(low, high), f);
      }
      transpose_lanes(a);
      transpose_lanes(b);
      uint16_t *at = matrix + t * channels + c;
      for (size_t i = 0; i < 8; i++) {
        store_rows(a[i], at, channels, i, i + 16, i + 32, i + 48);
        store_rows(b[i], at, channels, i + 8, i + 24, i + 40, i + 56);
      }
    }
  }
  tier_planes_join_part(matrix, tokens, channels, exponent_bits, channel, planes, whole_tokens, 0, whole_channels);
  tier_planes_join_part(matrix, tokens, channels, exponent_bits, channel, planes, 0, whole_channels,
                        channels - whole_channels);
}

const tier_planes_kernels tier_planes_avx512 = {survey, split, join};
#else
const tier_planes_kernels tier_planes_avx512;
#endif
