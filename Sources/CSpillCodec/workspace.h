#ifndef TIERD_WORKSPACE_H
#define TIERD_WORKSPACE_H

#include "levels.h"
#include "sparse.h"

// Where the pieces of a block in the making lie.

enum { PLANES = 16, HALVES = 2 };

/// Sizes that follow from a shape, of one half: K or V.
typedef struct {
  size_t matrices, elements, rows, matrix_plane_bytes, plane_bytes;
  /// A plane as it lies in scratch memory: padded to whole words, and apart so that sixteen of them do not share a
  /// cache set.
  size_t padded_bytes, stride;
  /// The lower halves of 32-bit numbers, kept as they are.
  size_t low_bytes;
} geometry;

geometry geometry_of(const tier_planes_shape *shape);

/// Scratch memory taken apart.
typedef struct {
  uint8_t *planes, *mask, *second_mask, *kept, *units, *low;
  uint16_t *high;
  tier_planes_statistics *statistics;
  tier_planes_channel *channels;
  void *lz4_state;
} workspace;

/// Takes scratch memory apart.
workspace workspace_of(const tier_planes_shape *shape, const geometry *g, uint8_t *scratch);

#endif
