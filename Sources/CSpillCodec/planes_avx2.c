#include "levels.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define AVX2 __attribute__((target("avx2")))

AVX2 static void survey(const uint16_t *matrix, size_t tokens, size_t channels, unsigned exponent_bits,
                          tier_planes_statistics *statistics) {
  size_t whole = channels / 16 * 16, sampled = tokens < TIER_PLANES_SAMPLE ? tokens : TIER_PLANES_SAMPLE;
  const __m256i magnitude = _mm256_set1_epi16(0x7fff);
  const __m128i exponent = _mm_cvtsi32_si128((int)(15 - exponent_bits));
  for (size_t c = 0; c < whole; c += 16) {
    __m256i largest = _mm256_setzero_si256(), sum = largest, negatives = largest;
    for (size_t t = 0; t < sampled; t++) {
      __m256i x = _mm256_loadu_si256((const void *)(matrix + t * channels + c));
      __m256i m = _mm256_and_si256(x, magnitude);
      largest = _mm256_max_epu16(largest, m);
      sum = _mm256_add_epi16(sum, _mm256_srl_epi16(m, exponent));
      negatives = _mm256_add_epi16(negatives, _mm256_srli_epi16(x, 15));
    }
    for (size_t t = sampled; t < tokens; t++) {
      __m256i x = _mm256_loadu_si256((const void *)(matrix + t * channels + c));
      largest = _mm256_max_epu16(largest, _mm256_and_si256(x, magnitude));
    }
    uint16_t largest_of[16], sum_of[16], negatives_of[16];
    _mm256_storeu_si256((void *)largest_of, largest);
    _mm256_storeu_si256((void *)sum_of, sum);
    _mm256_storeu_si256((void *)negatives_of, negatives);
    for (size_t i = 0; i < 16; i++) {
      statistics[c + i] = (tier_planes_statistics){largest_of[i], sum_of[i], negatives_of[i]};
    }
  }
  tier_planes_survey_part(matrix, tokens, channels, exponent_bits, statistics, whole);
}

/// Eight channels of two rows: one 128-bit lane each.
AVX2 static inline __m256i load_rows(const uint16_t *at, size_t channels, size_t r0, size_t r1) {
  __m256i x = _mm256_castsi128_si256(_mm_loadu_si128((const void *)(at + r0 * channels)));
  return _mm256_inserti128_si256(x, _mm_loadu_si128((const void *)(at + r1 * channels)), 1);
}

AVX2 static inline void store_rows(__m256i x, uint16_t *at, size_t channels, size_t r0, size_t r1) {
  _mm_storeu_si128((void *)(at + r0 * channels), _mm256_castsi256_si128(x));
  _mm_storeu_si128((void *)(at + r1 * channels), _mm256_extracti128_si256(x, 1));
}

/// Transposes 8 × 8 words in each lane.
AVX2 static inline void transpose_lanes(__m256i v[8]) {
  __m256i a0 = _mm256_unpacklo_epi16(v[0], v[1]), a1 = _mm256_unpackhi_epi16(v[0], v[1]);
  __m256i a2 = _mm256_unpacklo_epi16(v[2], v[3]), a3 = _mm256_unpackhi_epi16(v[2], v[3]);
  __m256i a4 = _mm256_unpacklo_epi16(v[4], v[5]), a5 = _mm256_unpackhi_epi16(v[4], v[5]);
  __m256i a6 = _mm256_unpacklo_epi16(v[6], v[7]), a7 = _mm256_unpackhi_epi16(v[6], v[7]);
  __m256i b0 = _mm256_unpacklo_epi32(a0, a2), b1 = _mm256_unpackhi_epi32(a0, a2);
  __m256i b2 = _mm256_unpacklo_epi32(a4, a6), b3 = _mm256_unpackhi_epi32(a4, a6);
  __m256i b4 = _mm256_unpacklo_epi32(a1, a3), b5 = _mm256_unpackhi_epi32(a1, a3);
  __m256i b6 = _mm256_unpacklo_epi32(a5, a7), b7 = _mm256_unpackhi_epi32(a5, a7);
  v[0] = _mm256_unpacklo_epi64(b0, b2), v[1] = _mm256_unpackhi_epi64(b0, b2);
  v[2] = _mm256_unpacklo_epi64(b1, b3), v[3] = _mm256_unpackhi_epi64(b1, b3);
  v[4] = _mm256_unpacklo_epi64(b4, b6), v[5] = _mm256_unpackhi_epi64(b4, b6);
  v[6] = _mm256_unpacklo_epi64(b5, b7), v[7] = _mm256_unpackhi_epi64(b5, b7);
}

/// One channel's parameters in every word, and the masks of tier_planes_fold.
typedef struct {
  __m256i top, shift, flip, mask, low;
} folding;

AVX2 static inline folding folding_of(tier_planes_channel c, unsigned exponent_bits) {
  return (folding){_mm256_set1_epi16((short)c.top), _mm256_set1_epi16((short)c.shift),
                   _mm256_set1_epi16((short)c.flip),
                   _mm256_set1_epi16((short)tier_planes_exponent_mask(exponent_bits)),
                   _mm256_set1_epi16((short)tier_planes_low_mask(exponent_bits))};
}

/// mask ? a : b
AVX2 static inline __m256i merge(__m256i mask, __m256i a, __m256i b) {
  return _mm256_xor_si256(b, _mm256_and_si256(mask, _mm256_xor_si256(a, b)));
}

AVX2 static inline __m256i fold(__m256i x, folding f) {
  __m256i rotated = _mm256_or_si256(_mm256_slli_epi16(x, 1), _mm256_srli_epi16(x, 15));
  __m256i distance = _mm256_sub_epi16(f.top, _mm256_and_si256(rotated, f.mask));
  __m256i shifted = merge(f.low, _mm256_sub_epi16(distance, f.shift), distance);
  return merge(f.mask, shifted, _mm256_xor_si256(rotated, f.flip));
}

AVX2 static inline __m256i unfold(__m256i y, folding f) {
  __m256i distance = _mm256_and_si256(merge(f.low, _mm256_add_epi16(y, f.shift), y), f.mask);
  __m256i rotated = merge(f.mask, _mm256_sub_epi16(f.top, distance), _mm256_xor_si256(y, f.flip));
  return _mm256_or_si256(_mm256_srli_epi16(rotated, 1), _mm256_slli_epi16(rotated, 15));
}

AVX2 static inline void store_bits(__m256i bytes, uint8_t *const planes[], int first, size_t at) {
  for (int b = 7; b >= 0; b--) {
    uint32_t bits = (uint32_t)_mm256_movemask_epi8(bytes);
    __builtin_memcpy(planes[first + b] + at, &bits, 4);
    bytes = _mm256_add_epi8(bytes, bytes);
  }
}

/// Bit i of the 32 becomes byte i, all ones or zero.
AVX2 static inline __m256i spread(uint32_t bits) {
  const __m256i byte = _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
  const __m256i bit = _mm256_set1_epi64x((long long)0x8040201008040201);
  __m256i x = _mm256_shuffle_epi8(_mm256_set1_epi32((int)bits), byte);
  return _mm256_cmpeq_epi8(_mm256_and_si256(x, bit), bit);
}

AVX2 static inline __m256i load_bits(const uint8_t *const planes[], int first, size_t at) {
  __m256i bytes = _mm256_setzero_si256();
  for (int b = 0; b < 8; b++) {
    uint32_t bits;
    __builtin_memcpy(&bits, planes[first + b] + at, 4);
    bytes = _mm256_or_si256(bytes, _mm256_and_si256(spread(bits), _mm256_set1_epi8((char)(1 << b))));
  }
  return bytes;
}

AVX2 static void split(const uint16_t *matrix, size_t tokens, size_t channels, unsigned exponent_bits,
                            const tier_planes_channel *channel,
                               uint8_t *const planes[]) {
  size_t rows = (tokens + 7) / 8, whole_tokens = tokens / 32 * 32, whole_channels = channels / 8 * 8;
  const __m256i low = _mm256_set1_epi16(0xff);
  for (size_t c = 0; c < whole_channels; c += 8) {
    for (size_t t = 0; t < whole_tokens; t += 32) {
      __m256i a[8], b[8];
      const uint16_t *at = matrix + t * channels + c;
      for (size_t i = 0; i < 8; i++) {
        a[i] = load_rows(at, channels, i, i + 16);
        b[i] = load_rows(at, channels, i + 8, i + 24);
      }
      transpose_lanes(a);
      transpose_lanes(b);
      for (size_t i = 0; i < 8; i++) {
        folding f = folding_of(channel[c + i], exponent_bits);
        __m256i x = fold(a[i], f), y = fold(b[i], f);
        size_t byte = (c + i) * rows + t / 8;
        store_bits(_mm256_packus_epi16(_mm256_and_si256(x, low), _mm256_and_si256(y, low)), planes, 0, byte);
        store_bits(_mm256_packus_epi16(_mm256_srli_epi16(x, 8), _mm256_srli_epi16(y, 8)), planes, 8, byte);
      }
    }
  }
  tier_planes_split_part(matrix, tokens, channels, exponent_bits, channel, planes, whole_tokens, 0, whole_channels);
  tier_planes_split_part(matrix, tokens, channels, exponent_bits, channel, planes, 0, whole_channels,
                         channels - whole_channels);
}

AVX2 static void join(uint16_t *matrix, size_t tokens, size_t channels, unsigned exponent_bits,
                           const tier_planes_channel *channel,
                               const uint8_t *const planes[]) {
  size_t rows = (tokens + 7) / 8, whole_tokens = tokens / 32 * 32, whole_channels = channels / 8 * 8;
  for (size_t c = 0; c < whole_channels; c += 8) {
    for (size_t t = 0; t < whole_tokens; t += 32) {
      __m256i a[8], b[8];
      for (size_t i = 0; i < 8; i++) {
        folding f = folding_of(channel[c + i], exponent_bits);
        size_t byte = (c + i) * rows + t / 8;
        __m256i low = load_bits(planes, 0, byte), high = load_bits(planes, 8, byte);
        a[i] = unfold(_mm256_unpacklo_epi8(low, high), f);
        b[i] = unfold(_mm256_unpackhi_epi8(low, high), f);
      }
      transpose_lanes(a);
      transpose_lanes(b);
      uint16_t *at = matrix + t * channels + c;
      for (size_t i = 0; i < 8; i++) {
        store_rows(a[i], at, channels, i, i + 16);
        store_rows(b[i], at, channels, i + 8, i + 24);
      }
    }
  }
  tier_planes_join_part(matrix, tokens, channels, exponent_bits, channel, planes, whole_tokens, 0, whole_channels);
  tier_planes_join_part(matrix, tokens, channels, exponent_bits, channel, planes, 0, whole_channels,
                        channels - whole_channels);
}

const tier_planes_kernels tier_planes_avx2 = {survey, split, join};
#else
const tier_planes_kernels tier_planes_avx2;
#endif
