#ifndef TIERD_STREAMS_H
#define TIERD_STREAMS_H

#include "workspace.h"

// One plane as it is stored: docs/spill-format.md, "Bit planes".

enum { LENGTH_BITS = 28 };

/// The kernels of the level in force, read once a block.
typedef struct {
  tier_planes_kernels planes;
  tier_sparse_kernels sparse;
} kernels;

typedef struct {
  uint8_t *next, *end;
} output;

/// Appends a plane in its smallest form, raw where it is not worth a try or does not gain, and its method and length to
/// the table. 0 where the output is full.
int put_plane(const kernels *k, workspace *w, const geometry *g, const uint8_t *plane, int tried, output *out,
              uint8_t *table);
/// The same for the lower halves of 32-bit numbers in `w->low`: noise as a rule, zeros where they were rounded.
int put_low(workspace *w, const geometry *g, output *out, uint8_t *table);

/// One plane from the input, `entry`'s length of which is there: where it lies if raw, else in `plane`. 0 where it is
/// malformed.
const uint8_t *get_plane(const kernels *k, workspace *w, const uint8_t *in, uint32_t entry, uint8_t *plane,
                         const geometry *g);
/// Fills `w->low`. 0 where it is malformed.
int get_low(workspace *w, const geometry *g, const uint8_t *in, uint32_t entry);

#endif
