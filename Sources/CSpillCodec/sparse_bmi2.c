#include "sparse.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

// pext and pdep take a word's units apart and put them together again.

#define BMI2 __attribute__((target("avx2,bmi,bmi2,popcnt")))

/// 0xf in every nibble of `x` that is not zero.
BMI2 static inline uint64_t nibble_mask(uint64_t x) {
  uint64_t any = (x | x >> 1 | x >> 2 | x >> 3) & 0x1111111111111111;
  return any * 15;
}

/// 0xff in every byte of `x` that is not zero.
BMI2 static inline uint64_t byte_mask(uint64_t x) {
  __m128i zero = _mm_cmpeq_epi8(_mm_cvtsi64_si128((long long)x), _mm_setzero_si128());
  return ~(uint64_t)_mm_cvtsi128_si64(zero);
}

static inline size_t bits_of(int mask) { return (size_t)__builtin_popcount((unsigned)mask); }

BMI2 static void count(const uint8_t *plane, size_t size, tier_sparse_counts *counts) {
  const __m256i zero = _mm256_setzero_si256(), low = _mm256_set1_epi8(15);
  // Zeros are counted, and taken from the whole at the end.
  size_t bytes = 0, lows = 0, highs = 0, words = 0, halves = 0, whole = size / 32 * 32;
  for (size_t i = 0; i < whole; i += 32) {
    __m256i x = _mm256_loadu_si256((const void *)(plane + i));
    bytes += bits_of(_mm256_movemask_epi8(_mm256_cmpeq_epi8(x, zero)));
    lows += bits_of(_mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_and_si256(x, low), zero)));
    highs += bits_of(_mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_andnot_si256(low, x), zero)));
    words += bits_of(_mm256_movemask_pd(_mm256_castsi256_pd(_mm256_cmpeq_epi64(x, zero))));
    halves += bits_of(_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpeq_epi32(x, zero))));
  }
  tier_sparse_counts rest;
  tier_sparse_scalar.count(plane + whole, size - whole, &rest);
  counts->bytes = whole - bytes + rest.bytes;
  counts->nibbles = 2 * whole - lows - highs + rest.nibbles;
  counts->byte_mask_bytes = whole / 8 - words + rest.byte_mask_bytes;
  counts->nibble_mask_bytes = whole / 4 - halves + rest.nibble_mask_bytes;
}

BMI2 static size_t compact_bytes(const uint8_t *plane, size_t size, uint8_t *mask, uint8_t *out) {
  size_t n = 0;
  for (size_t i = 0; i < size; i += 8) {
    uint64_t x;
    memcpy(&x, plane + i, 8);
    uint64_t set = byte_mask(x);
    mask[i / 8] = (uint8_t)_pext_u64(set, 0x0101010101010101);
    x = _pext_u64(x, set);
    memcpy(out + n, &x, 8);
    n += (size_t)__builtin_popcountll(set) / 8;
  }
  return n;
}

BMI2 static size_t compact_nibbles(const uint8_t *plane, size_t size, uint8_t *mask, uint8_t *out) {
  // `held` nibbles, fewer than 16, wait in `bits` for a whole word.
  size_t n = 0, held = 0;
  uint64_t bits = 0;
  for (size_t i = 0; i < size; i += 8) {
    uint64_t x;
    memcpy(&x, plane + i, 8);
    uint64_t set = nibble_mask(x);
    uint16_t flags = (uint16_t)_pext_u64(set, 0x1111111111111111);
    memcpy(mask + i / 4, &flags, 2);
    x = _pext_u64(x, set);
    size_t more = (size_t)__builtin_popcountll(set) / 4;
    bits |= x << (4 * held);
    if (held + more >= 16) {
      memcpy(out + n, &bits, 8);
      n += 8;
      bits = held == 0 ? 0 : x >> (4 * (16 - held));
      held += more - 16;
    } else {
      held += more;
    }
  }
  memcpy(out + n, &bits, 8);
  return n + (held + 1) / 2;
}

BMI2 static void expand_bytes(const uint8_t *mask, const uint8_t *in, size_t in_size, uint8_t *plane, size_t size) {
  size_t n = 0;
  for (size_t i = 0; i < size; i += 8) {
    uint64_t set = _pdep_u64(mask[i / 8], 0x0101010101010101) * 255, x = 0;
    size_t left = in_size - n;
    if (left >= 8) {
      memcpy(&x, in + n, 8);
    } else {
      memcpy(&x, in + n, left);
    }
    x = _pdep_u64(x, set);
    memcpy(plane + i, &x, 8);
    n += (size_t)__builtin_popcount(mask[i / 8]);
  }
}

BMI2 static void expand_nibbles(const uint8_t *mask, const uint8_t *in, size_t in_size, uint8_t *plane, size_t size) {
  size_t n = 0;
  for (size_t i = 0; i < size; i += 8) {
    uint16_t flags;
    memcpy(&flags, mask + i / 4, 2);
    uint64_t set = _pdep_u64(flags, 0x1111111111111111) * 15, x = 0;
    size_t at = n / 2, left = in_size - at;
    if (left >= 9) {
      uint64_t next = in[at + 8];
      memcpy(&x, in + at, 8);
      if (n & 1) x = x >> 4 | next << 60;
    } else {
      memcpy(&x, in + at, left < 8 ? left : 8);
      if (n & 1) x >>= 4;
    }
    x = _pdep_u64(x, set);
    memcpy(plane + i, &x, 8);
    n += (size_t)__builtin_popcount(flags);
  }
}

const tier_sparse_kernels tier_sparse_bmi2 = {count, compact_bytes, compact_nibbles, expand_bytes, expand_nibbles};
#else
const tier_sparse_kernels tier_sparse_bmi2;
#endif
