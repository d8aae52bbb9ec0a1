#ifndef TIERD_BIT_PLANES_H
#define TIERD_BIT_PLANES_H

#include <stddef.h>
#include <stdint.h>

/// The block transform of the spill (docs/spill-format.md, "Bit planes"): numbers are taken channel by channel, the sign is
/// rotated into the lowest bit, the exponent becomes its distance from the channel's largest, and bit b of all of K's or
/// V's makes plane b. What varies little ends up in planes that are almost all zeros.

/// Numbers as they lie in a block: `matrices` (K of each head, then V of each) of `tokens` rows of `channels` numbers.
/// The caller keeps the block within 64 MiB and `matrices` even.
typedef struct {
  uint32_t matrices;
  uint32_t tokens;
  uint32_t channels;
  /// Bits of the number: 16 or 32.
  uint32_t bits;
  /// Bits of its exponent, which lies right below the sign.
  uint32_t exponent_bits;
} tier_planes_shape;

/// Instruction sets, for `tier_planes_limit_level` and reports.
enum { TIER_PLANES_SCALAR = 0, TIER_PLANES_AVX2 = 1, TIER_PLANES_AVX512 = 2 };

/// The best level of this machine, or the limit where that is lower.
int tier_planes_level(void);
/// Limits the level, so that tests cover every one; a negative limit lifts it. All levels give the same bytes.
void tier_planes_limit_level(int limit);

/// Bytes of scratch memory that encoding or decoding a block of this shape takes.
size_t tier_planes_scratch_bytes(const tier_planes_shape *shape);

/// Encodes a block into at most `capacity` bytes: planes that compress become sparse or LZ4 blocks, the others stay as
/// they are.
/// Answers the bytes taken, 0 where they would exceed the capacity.
size_t tier_planes_encode(const tier_planes_shape *shape, const void *block, uint8_t *stored, size_t capacity,
                          uint8_t *scratch);

/// Decodes exactly `stored_bytes` into a block. Answers 1, or 0 where they are no encoding of such a block; the block's
/// contents are then undefined. Safe on any input.
int tier_planes_decode(const tier_planes_shape *shape, const uint8_t *stored, size_t stored_bytes, void *block,
                       uint8_t *scratch);

#endif
