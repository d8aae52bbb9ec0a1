// Dot products of quantised rows with f32, block by block, without expanding a row: what one token's products read. The
// weights are those of dequantize.c to the bit, but for AVX-512, which multiplies and adds the minimum at once.
#pragma STDC FP_CONTRACT OFF

#include "quantized_formats.h"
#include "variants.h"

enum { LANES = 16 };

/// Two chains of sums for each lane, so that additions do not wait for one another.
typedef struct {
  float even[LANES], odd[LANES];
} dot_sums;

CK_INLINE float total(dot_sums *sums) {
  for (int j = 0; j < LANES; j++) sums->even[j] += sums->odd[j];
  for (int width = LANES / 2; width > 0; width /= 2)
    for (int j = 0; j < width; j++) sums->even[j] += sums->even[j + width];
  return sums->even[0];
}

CK_INLINE float dot_q4(const uint8_t *row, const float *x, size_t n, const bool has_minimum) {
  dot_sums sums = {{0}, {0}};
  size_t bytes = has_minimum ? 20 : 18;
  for (size_t i = 0; i < n; i += SMALL, row += bytes, x += SMALL) {
    float d = half_at(row), minimum = has_minimum ? half_at(row + 2) : 0;
    const uint8_t *nibbles = row + (has_minimum ? 4 : 2);
    for (int j = 0; j < LANES; j++) {
      int low = nibbles[j] & 15, high = nibbles[j] >> 4;
      float a = has_minimum ? (float)low * d + minimum : (float)(low - 8) * d;
      float b = has_minimum ? (float)high * d + minimum : (float)(high - 8) * d;
      sums.even[j] += a * x[j];
      sums.odd[j] += b * x[j + LANES];
    }
  }
  return total(&sums);
}

CK_INLINE float dot_q8(const uint8_t *row, const float *x, size_t n) {
  dot_sums sums = {{0}, {0}};
  for (size_t i = 0; i < n; i += SMALL, row += 34, x += SMALL) {
    float d = half_at(row);
    for (int j = 0; j < LANES; j++) {
      sums.even[j] += (float)(int8_t)row[2 + j] * d * x[j];
      sums.odd[j] += (float)(int8_t)row[2 + LANES + j] * d * x[j + LANES];
    }
  }
  return total(&sums);
}

/// Blocks of 256 go through a buffer: their scales are packed too tightly for anything else to be faster.
CK_INLINE float dot_super(ck_quant q, const uint8_t *row, const float *x, size_t n) {
  dot_sums sums = {{0}, {0}};
  float weights[SUPER];
  size_t bytes = q == CK_Q4_K ? 144 : 210;
  for (size_t i = 0; i < n; i += SUPER, row += bytes, x += SUPER) {
    if (q == CK_Q4_K)
      q4_k(row, weights);
    else
      q6_k(row, weights);
    for (int k = 0; k < SUPER; k += SMALL)
      for (int j = 0; j < LANES; j++) {
        sums.even[j] += weights[k + j] * x[k + j];
        sums.odd[j] += weights[k + LANES + j] * x[k + LANES + j];
      }
  }
  return total(&sums);
}

#if CK_X86
#include <immintrin.h>

#define AVX512_TARGET CK_TARGET_AVX512
#define AVX512_FN static inline __attribute__((always_inline)) AVX512_TARGET

/// The two halves at `in` as f32, in the first two elements.
AVX512_FN __m128 halves(const uint8_t *in) {
  int32_t both;
  memcpy(&both, in, sizeof both);
  return _mm_cvtph_ps(_mm_cvtsi32_si128(both));
}
AVX512_FN __m512 unsigned_bytes(__m128i bytes) { return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes)); }
AVX512_FN __m512 signed_bytes(const uint8_t *bytes) {
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)bytes)));
}

// Sixteen nibbles are widened at once, and a weight costs two multiply-adds: its own value, and its product.
AVX512_FN float dot_q4_avx512(const uint8_t *row, const float *x, size_t n, const bool has_minimum) {
  __m512 even = _mm512_setzero_ps(), odd = _mm512_setzero_ps();
  const __m128i low_bits = _mm_set1_epi8(15);
  size_t bytes = has_minimum ? 20 : 18;
  for (size_t i = 0; i < n; i += SMALL, row += bytes, x += SMALL) {
    __m128 numbers = halves(row);
    __m512 d = _mm512_broadcastss_ps(numbers);
    __m512 least = has_minimum ? _mm512_broadcastss_ps(_mm_movehdup_ps(numbers))
                               : _mm512_mul_ps(d, _mm512_set1_ps(-8));
    __m128i nibbles = _mm_loadu_si128((const __m128i *)(row + (has_minimum ? 4 : 2)));
    __m512 low = unsigned_bytes(_mm_and_si128(nibbles, low_bits));
    __m512 high = unsigned_bytes(_mm_and_si128(_mm_srli_epi16(nibbles, 4), low_bits));
    even = _mm512_fmadd_ps(_mm512_fmadd_ps(low, d, least), _mm512_loadu_ps(x), even);
    odd = _mm512_fmadd_ps(_mm512_fmadd_ps(high, d, least), _mm512_loadu_ps(x + 16), odd);
  }
  return _mm512_reduce_add_ps(_mm512_add_ps(even, odd));
}

AVX512_FN float dot_q8_avx512(const uint8_t *row, const float *x, size_t n) {
  __m512 even = _mm512_setzero_ps(), odd = _mm512_setzero_ps();
  for (size_t i = 0; i < n; i += SMALL, row += 34, x += SMALL) {
    __m512 d = _mm512_broadcastss_ps(halves(row));
    even = _mm512_fmadd_ps(_mm512_mul_ps(signed_bytes(row + 2), d), _mm512_loadu_ps(x), even);
    odd = _mm512_fmadd_ps(_mm512_mul_ps(signed_bytes(row + 18), d), _mm512_loadu_ps(x + 16), odd);
  }
  return _mm512_reduce_add_ps(_mm512_add_ps(even, odd));
}

AVX512_TARGET float ck_dot_quantized_fast(ck_quant q, const void *row, const float *x, size_t n) {
  switch (q) {
  case CK_Q4_0: return dot_q4_avx512(row, x, n, false);
  case CK_Q4_1: return dot_q4_avx512(row, x, n, true);
  case CK_Q8_0: return dot_q8_avx512(row, x, n);
  default: return ck_dot_quantized_avx512(q, row, x, n);
  }
}
#endif

#define CK_DOT_QUANTIZED(level, target)                                                               \
  target float ck_dot_quantized_##level(ck_quant q, const void *row, const float *x, size_t n) {      \
    switch (q) {                                                                                      \
    case CK_Q4_0: return dot_q4(row, x, n, false);                                                    \
    case CK_Q4_1: return dot_q4(row, x, n, true);                                                     \
    case CK_Q8_0: return dot_q8(row, x, n);                                                           \
    default: return dot_super(q, row, x, n);                                                          \
    }                                                                                                 \
  }
CK_VARIANTS(CK_DOT_QUANTIZED)
