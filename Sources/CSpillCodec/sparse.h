#ifndef TIERD_SPARSE_H
#define TIERD_SPARSE_H

#include <stddef.h>
#include <stdint.h>

/// Planes that are mostly zeros: a mask with one bit per unit, set where the unit is not zero, and the units that are
/// not. Units are bytes, or nibbles (the lower first) where bits are scattered more evenly. Lengths are multiples of
/// 8 bytes: a plane is padded with zeros to that.

/// What each form would take.
typedef struct {
  size_t bytes, nibbles;
  /// Bytes of the two masks that are not zero themselves.
  size_t byte_mask_bytes, nibble_mask_bytes;
} tier_sparse_counts;

typedef struct {
  void (*count)(const uint8_t *plane, size_t size, tier_sparse_counts *counts);
  /// Writes size / 8 bytes of mask and the bytes that are not zero, with up to 8 more written beyond them. Answers
  /// their number.
  size_t (*compact_bytes)(const uint8_t *plane, size_t size, uint8_t *mask, uint8_t *out);
  /// Writes size / 4 bytes of mask and the nibbles that are not zero, with up to 16 bytes written beyond them. Answers
  /// the number of bytes they take.
  size_t (*compact_nibbles)(const uint8_t *plane, size_t size, uint8_t *mask, uint8_t *out);
  /// The inverses. The caller has checked that the mask's set bits are as many as the units given.
  void (*expand_bytes)(const uint8_t *mask, const uint8_t *in, size_t in_size, uint8_t *plane, size_t size);
  void (*expand_nibbles)(const uint8_t *mask, const uint8_t *in, size_t in_size, uint8_t *plane, size_t size);
} tier_sparse_kernels;

extern const tier_sparse_kernels tier_sparse_scalar, tier_sparse_bmi2, tier_sparse_avx512;

#endif
