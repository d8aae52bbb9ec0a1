#include "sparse.h"

#include <string.h>

// The reference.

static void count(const uint8_t *plane, size_t size, tier_sparse_counts *counts) {
  *counts = (tier_sparse_counts){0, 0, 0, 0};
  for (size_t i = 0; i < size; i += 4) {
    int any = 0;
    for (size_t j = i; j < i + 4; j++) {
      counts->bytes += plane[j] != 0;
      counts->nibbles += (size_t)((plane[j] & 15) != 0) + (size_t)(plane[j] >> 4 != 0);
      any |= plane[j];
    }
    counts->nibble_mask_bytes += any != 0;
  }
  for (size_t i = 0; i < size; i += 8) {
    uint64_t word;
    memcpy(&word, plane + i, 8);
    counts->byte_mask_bytes += word != 0;
  }
}

static size_t compact_bytes(const uint8_t *plane, size_t size, uint8_t *mask, uint8_t *out) {
  size_t n = 0;
  for (size_t i = 0; i < size; i += 8) {
    uint8_t bits = 0;
    for (size_t j = 0; j < 8; j++) {
      if (plane[i + j] == 0) continue;
      bits |= (uint8_t)(1 << j);
      out[n++] = plane[i + j];
    }
    mask[i / 8] = bits;
  }
  return n;
}

static size_t compact_nibbles(const uint8_t *plane, size_t size, uint8_t *mask, uint8_t *out) {
  size_t n = 0;
  for (size_t i = 0; i < size; i += 4) {
    uint8_t bits = 0;
    for (size_t j = 0; j < 8; j++) {
      uint8_t nibble = plane[i + j / 2] >> (4 * (j & 1)) & 15;
      if (nibble == 0) continue;
      bits |= (uint8_t)(1 << j);
      if (n & 1) {
        out[n / 2] |= (uint8_t)(nibble << 4);
      } else {
        out[n / 2] = nibble;
      }
      n++;
    }
    mask[i / 4] = bits;
  }
  return (n + 1) / 2;
}

static void expand_bytes(const uint8_t *mask, const uint8_t *in, size_t in_size, uint8_t *plane, size_t size) {
  size_t n = 0;
  (void)in_size;
  for (size_t i = 0; i < size; i++) plane[i] = mask[i / 8] >> (i & 7) & 1 ? in[n++] : 0;
}

static void expand_nibbles(const uint8_t *mask, const uint8_t *in, size_t in_size, uint8_t *plane, size_t size) {
  size_t n = 0;
  (void)in_size;
  for (size_t i = 0; i < size; i++) {
    uint8_t byte = 0;
    for (size_t j = 0; j < 2; j++) {
      if (!(mask[i / 4] >> (2 * (i & 3) + j) & 1)) continue;
      byte |= (uint8_t)((in[n / 2] >> (4 * (n & 1)) & 15) << (4 * j));
      n++;
    }
    plane[i] = byte;
  }
}

const tier_sparse_kernels tier_sparse_scalar = {count, compact_bytes, compact_nibbles, expand_bytes, expand_nibbles};
