#ifndef TIERD_PLANES_LEVELS_H
#define TIERD_PLANES_LEVELS_H

#include <string.h>

#include "bit_planes.h"

/// What every channel's numbers are folded by. Any values are lossless; well chosen ones empty the upper planes.
typedef struct {
  /// The exponent that distances are taken from, shifted to the top of the word.
  uint16_t top;
  /// Taken from the lowest three bits of the distance, modulo 8: the four commonest distances become 0 to 3.
  uint16_t shift;
  /// Added to the sign, modulo 2: 1 where most numbers are negative.
  uint16_t flip;
} tier_planes_channel;

/// What the encoder chooses those by: the largest magnitude of all tokens, and sums over the first 256 at most.
typedef struct {
  uint16_t largest;
  uint16_t exponent_sum;
  uint16_t negatives;
} tier_planes_statistics;

enum { TIER_PLANES_SAMPLE = 256 };

/// What every level implements for one matrix of 16-bit numbers. `planes[b]` is the matrix's first byte in plane b; a
/// channel takes `rows` = (tokens + 7) / 8 bytes there.
typedef struct {
  void (*survey)(const uint16_t *matrix, size_t tokens, size_t channels, unsigned exponent_bits,
                 tier_planes_statistics *statistics);
  void (*split)(const uint16_t *matrix, size_t tokens, size_t channels, unsigned exponent_bits,
                const tier_planes_channel *channel, uint8_t *const planes[]);
  void (*join)(uint16_t *matrix, size_t tokens, size_t channels, unsigned exponent_bits,
               const tier_planes_channel *channel, const uint8_t *const planes[]);
} tier_planes_kernels;

extern const tier_planes_kernels tier_planes_scalar, tier_planes_avx2, tier_planes_avx512;

/// The same by the scalar code, for what is left over where vectors do not fit.
void tier_planes_survey_part(const uint16_t *matrix, size_t tokens, size_t channels, unsigned exponent_bits,
                             tier_planes_statistics *statistics, size_t first_channel);
void tier_planes_split_part(const uint16_t *matrix, size_t tokens, size_t channels, unsigned exponent_bits,
                            const tier_planes_channel *channel, uint8_t *const planes[], size_t first_token,
                            size_t first_channel, size_t channel_count);
void tier_planes_join_part(uint16_t *matrix, size_t tokens, size_t channels, unsigned exponent_bits,
                           const tier_planes_channel *channel, const uint8_t *const planes[], size_t first_token,
                           size_t first_channel, size_t channel_count);

/// Blocks lie where their owner put them: aligned as a rule, but nothing depends on it.
static inline uint16_t tier_planes_load(const uint16_t *matrix, size_t i) {
  uint16_t x;
  memcpy(&x, (const uint8_t *)matrix + 2 * i, 2);
  return x;
}
static inline void tier_planes_store(uint16_t *matrix, size_t i, uint16_t x) {
  memcpy((uint8_t *)matrix + 2 * i, &x, 2);
}

/// The exponent's bits after the rotation, and the lowest three of them.
static inline uint16_t tier_planes_exponent_mask(unsigned exponent_bits) {
  return (uint16_t)(0xffffu << (16 - exponent_bits));
}
static inline uint16_t tier_planes_low_mask(unsigned exponent_bits) { return (uint16_t)(7u << (16 - exponent_bits)); }

static inline uint16_t tier_planes_fold(uint16_t x, tier_planes_channel c, uint16_t mask, uint16_t low) {
  uint16_t rotated = (uint16_t)(x << 1 | x >> 15);
  uint16_t distance = (uint16_t)(c.top - (rotated & mask));
  uint16_t shifted = (uint16_t)(distance - c.shift);
  return (uint16_t)((shifted & low) | (distance & mask & ~low) | ((rotated ^ c.flip) & ~mask));
}

static inline uint16_t tier_planes_unfold(uint16_t y, tier_planes_channel c, uint16_t mask, uint16_t low) {
  uint16_t distance = (uint16_t)(((y + c.shift) & low) | (y & mask & ~low));
  uint16_t rotated = (uint16_t)(((c.top - distance) & mask) | ((y ^ c.flip) & ~mask));
  return (uint16_t)(rotated >> 1 | rotated << 15);
}

#endif
