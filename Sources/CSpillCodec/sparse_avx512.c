#include "sparse.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi2,bmi,bmi2,popcnt")))

AVX512 static void count(const uint8_t *plane, size_t size, tier_sparse_counts *counts) {
  *counts = (tier_sparse_counts){0, 0, 0, 0};
  const __m512i low = _mm512_set1_epi8(15);
  for (size_t i = 0; i < size; i += 64) {
    __mmask64 inside = size - i >= 64 ? ~(__mmask64)0 : ((__mmask64)1 << (size - i)) - 1;
    __m512i x = _mm512_maskz_loadu_epi8(inside, plane + i);
    __mmask64 bytes = _mm512_test_epi8_mask(x, x);
    if (bytes == 0) continue;
    counts->bytes += (size_t)__builtin_popcountll(bytes);
    counts->nibbles += (size_t)__builtin_popcountll(_mm512_test_epi8_mask(x, low)) +
                       (size_t)__builtin_popcountll(_mm512_mask_test_epi8_mask(bytes, x, _mm512_andnot_si512(low, x)));
    counts->byte_mask_bytes += (size_t)__builtin_popcount(_mm512_test_epi64_mask(x, x));
    counts->nibble_mask_bytes += (size_t)__builtin_popcount(_mm512_test_epi32_mask(x, x));
  }
}

AVX512 static size_t compact_bytes(const uint8_t *plane, size_t size, uint8_t *mask, uint8_t *out) {
  size_t n = 0;
  for (size_t i = 0; i < size; i += 64) {
    size_t left = size - i < 64 ? size - i : 64;
    __mmask64 inside = left == 64 ? ~(__mmask64)0 : ((__mmask64)1 << left) - 1;
    __m512i x = _mm512_maskz_loadu_epi8(inside, plane + i);
    uint64_t set = _mm512_test_epi8_mask(x, x);
    memcpy(mask + i / 8, &set, left / 8);
    size_t count = (size_t)__builtin_popcountll(set);
    __mmask64 filled = count == 64 ? ~(__mmask64)0 : ((__mmask64)1 << count) - 1;
    _mm512_mask_storeu_epi8(out + n, filled, _mm512_maskz_compress_epi8(set, x));
    n += count;
  }
  return n;
}

AVX512 static void expand_bytes(const uint8_t *mask, const uint8_t *in, size_t in_size, uint8_t *plane, size_t size) {
  size_t n = 0;
  (void)in_size;
  for (size_t i = 0; i < size; i += 64) {
    size_t left = size - i < 64 ? size - i : 64;
    __mmask64 inside = left == 64 ? ~(__mmask64)0 : ((__mmask64)1 << left) - 1;
    uint64_t set = 0;
    memcpy(&set, mask + i / 8, left / 8);
    size_t count = (size_t)__builtin_popcountll(set);
    __mmask64 filled = count == 64 ? ~(__mmask64)0 : ((__mmask64)1 << count) - 1;
    __m512i x = _mm512_maskz_expand_epi8(set, _mm512_maskz_loadu_epi8(filled, in + n));
    _mm512_mask_storeu_epi8(plane + i, inside, x);
    n += count;
  }
}

// Nibbles go by pext and pdep here too; filled in by the dispatcher from tier_sparse_bmi2.
const tier_sparse_kernels tier_sparse_avx512 = {count, compact_bytes, 0, expand_bytes, 0};
#else
const tier_sparse_kernels tier_sparse_avx512;
#endif
