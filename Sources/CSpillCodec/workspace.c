#include "workspace.h"

#include <lz4.h>

geometry geometry_of(const tier_planes_shape *shape) {
  geometry g;
  g.matrices = shape->matrices / HALVES;
  g.elements = (size_t)shape->tokens * shape->channels;
  g.rows = ((size_t)shape->tokens + 7) / 8;
  g.matrix_plane_bytes = g.rows * shape->channels;
  g.plane_bytes = g.matrix_plane_bytes * g.matrices;
  g.padded_bytes = (g.plane_bytes + 7) / 8 * 8;
  g.stride = (g.padded_bytes + 4095) / 4096 * 4096 + 192;
  g.low_bytes = shape->bits == 32 ? g.elements * g.matrices * 2 : 0;
  return g;
}

/// Cuts `size` bytes off, and what aligns the next piece.
static uint8_t *cut(uint8_t **next, size_t size) {
  uint8_t *piece = *next;
  *next += (size + 63) / 64 * 64;
  return piece;
}

/// Lays the pieces out from `next` on; where that ends is how much it takes.
static uint8_t *lay_out(const tier_planes_shape *shape, const geometry *g, uint8_t *next, workspace *w) {
  w->lz4_state = cut(&next, (size_t)LZ4_sizeofState());
  w->planes = cut(&next, g->stride * PLANES);
  w->mask = cut(&next, g->padded_bytes / 4 + 16);
  w->second_mask = cut(&next, g->padded_bytes / 32 + 16);
  w->kept = cut(&next, g->padded_bytes / 4 + 32);
  w->units = cut(&next, g->padded_bytes + 32);
  w->high = (uint16_t *)cut(&next, shape->bits == 32 ? g->elements * 2 : 0);
  w->low = cut(&next, g->low_bytes);
  w->channels = (tier_planes_channel *)cut(&next, sizeof(tier_planes_channel) * shape->channels);
  w->statistics = (tier_planes_statistics *)cut(&next, sizeof(tier_planes_statistics) * shape->channels);
  return next;
}

size_t tier_planes_scratch_bytes(const tier_planes_shape *shape) {
  geometry g = geometry_of(shape);
  workspace w;
  uint8_t *start = (uint8_t *)(uintptr_t)64;
  return (size_t)(lay_out(shape, &g, start, &w) - start) + 64;
}

workspace workspace_of(const tier_planes_shape *shape, const geometry *g, uint8_t *scratch) {
  workspace w;
  lay_out(shape, g, (uint8_t *)(((uintptr_t)scratch + 63) & ~(uintptr_t)63), &w);
  return w;
}
