#include "bit_planes.h"

#include <stdatomic.h>
#include <string.h>

#include "streams.h"

static atomic_int level_limit = -1;

static int best_level(void) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vbmi2") &&
      __builtin_cpu_supports("gfni") && __builtin_cpu_supports("bmi2"))
    return TIER_PLANES_AVX512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2")) return TIER_PLANES_AVX2;
#endif
  return TIER_PLANES_SCALAR;
}

int tier_planes_level(void) {
  int limit = atomic_load_explicit(&level_limit, memory_order_relaxed), best = best_level();
  return limit >= 0 && limit < best ? limit : best;
}

void tier_planes_limit_level(int limit) { atomic_store_explicit(&level_limit, limit, memory_order_relaxed); }

static kernels kernels_for_level(void) {
  switch (tier_planes_level()) {
    case TIER_PLANES_AVX512: {
      kernels k = {tier_planes_avx512, tier_sparse_avx512};
      k.sparse.compact_nibbles = tier_sparse_bmi2.compact_nibbles;
      k.sparse.expand_nibbles = tier_sparse_bmi2.expand_nibbles;
      return k;
    }
    case TIER_PLANES_AVX2: return (kernels){tier_planes_avx2, tier_sparse_bmi2};
    default: return (kernels){tier_planes_scalar, tier_sparse_scalar};
  }
}

static size_t streams_of(const tier_planes_shape *shape) { return shape->bits == 32 ? PLANES + 1 : PLANES; }

static size_t prefix_bytes(const tier_planes_shape *shape) {
  return shape->matrices + (size_t)shape->matrices * shape->channels + HALVES * streams_of(shape) * 4;
}

// Channels.

/// One byte a channel: how far its reference is below its matrix's (bits 0-4), the shift (5-6), the flip (7).
static tier_planes_channel channel_of(uint8_t matrix_exponent, uint8_t descriptor, unsigned exponent_bits) {
  unsigned exponent = matrix_exponent - (descriptor & 31u), unit = 16 - exponent_bits;
  return (tier_planes_channel){(uint16_t)(exponent << unit), (uint16_t)((descriptor >> 5 & 3u) << unit),
                               (uint16_t)(descriptor >> 7)};
}

/// Chooses the references, shifts and flips of one matrix. The commonest distances, about two below the mean to two
/// above it, become 0 to 3: on real KV that leaves a quarter of the bits of the plane above.
static uint8_t describe(const tier_planes_statistics *statistics, size_t tokens, size_t channels,
                        unsigned exponent_bits, uint8_t *descriptors) {
  unsigned largest = 0, unit = 15 - exponent_bits;
  for (size_t c = 0; c < channels; c++) {
    if (statistics[c].largest >> unit > largest) largest = statistics[c].largest >> unit;
  }
  long sampled = (long)(tokens < TIER_PLANES_SAMPLE ? tokens : TIER_PLANES_SAMPLE);
  for (size_t c = 0; c < channels; c++) {
    unsigned below = largest - (statistics[c].largest >> unit);
    if (below > 31) below = 31;
    long distances = sampled * (long)(largest - below) - statistics[c].exponent_sum;
    long shift = (10 * distances - 13 * sampled) / (10 * sampled);
    unsigned shifted = distances * 10 <= 13 * sampled ? 0 : shift > 3 ? 3 : (unsigned)shift;
    unsigned flip = statistics[c].negatives * 2 > sampled;
    descriptors[c] = (uint8_t)(below | shifted << 5 | flip << 7);
  }
  return (uint8_t)largest;
}

// Blocks.

/// The upper halves of a matrix of 32-bit numbers; its lower halves go to `low`.
static void part(const uint8_t *numbers, size_t count, uint16_t *high, uint16_t *low) {
  for (size_t i = 0; i < count; i++) {
    uint32_t x;
    memcpy(&x, numbers + 4 * i, 4);
    high[i] = (uint16_t)(x >> 16);
    low[i] = (uint16_t)x;
  }
}

static void unite(const uint16_t *high, const uint16_t *low, size_t count, uint8_t *numbers) {
  for (size_t i = 0; i < count; i++) {
    uint32_t x = (uint32_t)high[i] << 16 | low[i];
    memcpy(numbers + 4 * i, &x, 4);
  }
}

/// Planes worth looking at: the sign's, and the exponent's but its lowest bit. The rest is noise.
static int is_tried(const tier_planes_shape *shape, int plane) {
  return plane == 0 || plane > (int)(PLANES - shape->exponent_bits);
}

/// Surveys, describes and splits K's or V's matrices into scratch memory.
static void split_half(const kernels *k, workspace *w, const geometry *g, const tier_planes_shape *shape, size_t half,
                       const uint8_t *block, uint8_t *exponents, uint8_t *descriptors) {
  for (int b = 0; b < PLANES; b++) {
    memset(w->planes + (size_t)b * g->stride + g->plane_bytes, 0, g->padded_bytes - g->plane_bytes);
  }
  for (size_t i = 0; i < g->matrices; i++) {
    size_t m = half * g->matrices + i;
    const uint8_t *numbers = block + m * g->elements * (shape->bits / 8);
    const uint16_t *matrix = (const void *)numbers;
    if (shape->bits == 32) {
      part(numbers, g->elements, w->high, (uint16_t *)w->low + i * g->elements);
      matrix = w->high;
    }
    uint8_t *described = descriptors + m * shape->channels;
    k->planes.survey(matrix, shape->tokens, shape->channels, shape->exponent_bits, w->statistics);
    exponents[m] = describe(w->statistics, shape->tokens, shape->channels, shape->exponent_bits, described);
    for (size_t c = 0; c < shape->channels; c++) {
      w->channels[c] = channel_of(exponents[m], described[c], shape->exponent_bits);
    }
    uint8_t *planes[PLANES];
    for (int b = 0; b < PLANES; b++) planes[b] = w->planes + (size_t)b * g->stride + i * g->matrix_plane_bytes;
    k->planes.split(matrix, shape->tokens, shape->channels, shape->exponent_bits, w->channels, planes);
  }
}

size_t tier_planes_encode(const tier_planes_shape *shape, const void *block, uint8_t *stored, size_t capacity,
                          uint8_t *scratch) {
  geometry g = geometry_of(shape);
  workspace w = workspace_of(shape, &g, scratch);
  kernels k = kernels_for_level();
  if (capacity < prefix_bytes(shape)) return 0;
  uint8_t *exponents = stored, *descriptors = stored + shape->matrices;
  uint8_t *table = descriptors + (size_t)shape->matrices * shape->channels;
  output out = {stored + prefix_bytes(shape), stored + capacity};
  for (size_t half = 0; half < HALVES; half++) {
    split_half(&k, &w, &g, shape, half, block, exponents, descriptors);
    for (int b = 0; b < PLANES; b++, table += 4) {
      if (!put_plane(&k, &w, &g, w.planes + (size_t)b * g.stride, is_tried(shape, b), &out, table)) return 0;
    }
    if (shape->bits == 32) {
      if (!put_low(&w, &g, &out, table)) return 0;
      table += 4;
    }
  }
  return (size_t)(out.next - stored);
}

/// Joins K's or V's planes into the block.
static void join_half(const kernels *k, workspace *w, const geometry *g, const tier_planes_shape *shape, size_t half,
                      const uint8_t *const found[], uint8_t *block, const uint8_t *exponents,
                      const uint8_t *descriptors) {
  for (size_t i = 0; i < g->matrices; i++) {
    size_t m = half * g->matrices + i;
    uint8_t *numbers = block + m * g->elements * (shape->bits / 8);
    for (size_t c = 0; c < shape->channels; c++) {
      w->channels[c] = channel_of(exponents[m], descriptors[m * shape->channels + c], shape->exponent_bits);
    }
    const uint8_t *planes[PLANES];
    for (int b = 0; b < PLANES; b++) planes[b] = found[b] + i * g->matrix_plane_bytes;
    uint16_t *matrix = shape->bits == 32 ? w->high : (void *)numbers;
    k->planes.join(matrix, shape->tokens, shape->channels, shape->exponent_bits, w->channels, planes);
    if (shape->bits == 32) unite(w->high, (uint16_t *)w->low + i * g->elements, g->elements, numbers);
  }
}

int tier_planes_decode(const tier_planes_shape *shape, const uint8_t *stored, size_t stored_bytes, void *block,
                       uint8_t *scratch) {
  geometry g = geometry_of(shape);
  workspace w = workspace_of(shape, &g, scratch);
  kernels k = kernels_for_level();
  if (stored_bytes < prefix_bytes(shape)) return 0;
  const uint8_t *exponents = stored, *descriptors = stored + shape->matrices;
  const uint8_t *table = descriptors + (size_t)shape->matrices * shape->channels;
  const uint8_t *next = stored + prefix_bytes(shape), *end = stored + stored_bytes;
  for (size_t half = 0; half < HALVES; half++) {
    const uint8_t *found[PLANES];
    for (size_t b = 0; b < streams_of(shape); b++, table += 4) {
      uint32_t entry;
      memcpy(&entry, table, 4);
      size_t size = entry & ((1u << LENGTH_BITS) - 1);
      if ((size_t)(end - next) < size) return 0;
      if (b == PLANES) {
        if (!get_low(&w, &g, next, entry)) return 0;
      } else {
        found[b] = get_plane(&k, &w, next, entry, w.planes + b * g.stride, &g);
        if (!found[b]) return 0;
      }
      next += size;
    }
    join_half(&k, &w, &g, shape, half, found, block, exponents, descriptors);
  }
  return next == end;
}
