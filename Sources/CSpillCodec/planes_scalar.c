#include "levels.h"

// The reference: what the vector levels must equal, byte for byte.

void tier_planes_survey_part(const uint16_t *matrix, size_t tokens, size_t channels, unsigned exponent_bits,
                             tier_planes_statistics *statistics, size_t first_channel) {
  for (size_t c = first_channel; c < channels; c++) {
    tier_planes_statistics s = {0, 0, 0};
    for (size_t t = 0; t < tokens; t++) {
      uint16_t x = tier_planes_load(matrix, t * channels + c), magnitude = x & 0x7fff;
      if (magnitude > s.largest) s.largest = magnitude;
      if (t < TIER_PLANES_SAMPLE) {
        s.exponent_sum = (uint16_t)(s.exponent_sum + (magnitude >> (15 - exponent_bits)));
        s.negatives = (uint16_t)(s.negatives + (x >> 15));
      }
    }
    statistics[c] = s;
  }
}

void tier_planes_split_part(const uint16_t *matrix, size_t tokens, size_t channels, unsigned exponent_bits,
                            const tier_planes_channel *channel, uint8_t *const planes[], size_t first_token,
                            size_t first_channel, size_t channel_count) {
  size_t rows = (tokens + 7) / 8;
  uint16_t mask = tier_planes_exponent_mask(exponent_bits), low = tier_planes_low_mask(exponent_bits);
  for (size_t c = first_channel; c < first_channel + channel_count; c++) {
    for (size_t t = first_token; t < tokens; t += 8) {
      uint8_t bytes[16] = {0};
      for (size_t i = 0; i < 8 && t + i < tokens; i++) {
        uint16_t folded = tier_planes_fold(tier_planes_load(matrix, (t + i) * channels + c), channel[c], mask, low);
        for (int b = 0; b < 16; b++) bytes[b] |= (uint8_t)((folded >> b & 1) << i);
      }
      for (int b = 0; b < 16; b++) planes[b][c * rows + t / 8] = bytes[b];
    }
  }
}

void tier_planes_join_part(uint16_t *matrix, size_t tokens, size_t channels, unsigned exponent_bits,
                           const tier_planes_channel *channel, const uint8_t *const planes[], size_t first_token,
                           size_t first_channel, size_t channel_count) {
  size_t rows = (tokens + 7) / 8;
  uint16_t mask = tier_planes_exponent_mask(exponent_bits), low = tier_planes_low_mask(exponent_bits);
  for (size_t c = first_channel; c < first_channel + channel_count; c++) {
    for (size_t t = first_token; t < tokens; t += 8) {
      for (size_t i = 0; i < 8 && t + i < tokens; i++) {
        uint16_t folded = 0;
        for (int b = 0; b < 16; b++) folded |= (uint16_t)((planes[b][c * rows + t / 8] >> i & 1) << b);
        tier_planes_store(matrix, (t + i) * channels + c, tier_planes_unfold(folded, channel[c], mask, low));
      }
    }
  }
}

static void survey(const uint16_t *matrix, size_t tokens, size_t channels, unsigned exponent_bits,
                   tier_planes_statistics *statistics) {
  tier_planes_survey_part(matrix, tokens, channels, exponent_bits, statistics, 0);
}

static void split(const uint16_t *matrix, size_t tokens, size_t channels, unsigned exponent_bits,
                  const tier_planes_channel *channel, uint8_t *const planes[]) {
  tier_planes_split_part(matrix, tokens, channels, exponent_bits, channel, planes, 0, 0, channels);
}

static void join(uint16_t *matrix, size_t tokens, size_t channels, unsigned exponent_bits,
                 const tier_planes_channel *channel, const uint8_t *const planes[]) {
  tier_planes_join_part(matrix, tokens, channels, exponent_bits, channel, planes, 0, 0, channels);
}

const tier_planes_kernels tier_planes_scalar = {survey, split, join};
