#include "streams.h"

#include <lz4.h>
#include <string.h>

enum { RAW = 0, LZ4 = 1, BYTES = 2, BYTES_TWICE = 3, NIBBLES = 4, NIBBLES_TWICE = 5, ZERO = 6 };

static int put(output *out, const uint8_t *bytes, size_t size) {
  if ((size_t)(out->end - out->next) < size) return 0;
  memcpy(out->next, bytes, size);
  out->next += size;
  return 1;
}

/// A plane in one of the sparse forms: its mask or the mask's mask and what is not zero of the mask, then the units.
static int put_sparse(const kernels *k, workspace *w, const uint8_t *plane, size_t padded, int method, output *out) {
  int nibbles = method == NIBBLES || method == NIBBLES_TWICE;
  size_t mask_size = nibbles ? padded / 4 : padded / 8, padded_mask = (mask_size + 7) / 8 * 8;
  size_t units = nibbles ? k->sparse.compact_nibbles(plane, padded, w->mask, w->units)
                         : k->sparse.compact_bytes(plane, padded, w->mask, w->units);
  if (method == BYTES || method == NIBBLES) return put(out, w->mask, mask_size) && put(out, w->units, units);
  memset(w->mask + mask_size, 0, padded_mask - mask_size);
  size_t kept = k->sparse.compact_bytes(w->mask, padded_mask, w->second_mask, w->kept);
  return put(out, w->second_mask, padded_mask / 8) && put(out, w->kept, kept) && put(out, w->units, units);
}

/// The smallest form of a plane by exact counts; raw unless a 64th is gained.
static int choose(const kernels *k, const uint8_t *plane, size_t padded, size_t plain) {
  tier_sparse_counts n;
  k->sparse.count(plane, padded, &n);
  if (n.bytes == 0) return ZERO;
  size_t byte_mask = padded / 8, nibble_mask = padded / 4, units = (n.nibbles + 1) / 2;
  size_t sizes[] = {[BYTES] = byte_mask + n.bytes,
                    [BYTES_TWICE] = (byte_mask + 7) / 8 + n.byte_mask_bytes + n.bytes,
                    [NIBBLES] = nibble_mask + units,
                    [NIBBLES_TWICE] = (nibble_mask + 7) / 8 + n.nibble_mask_bytes + units};
  int best = RAW;
  size_t least = plain - plain / 64;
  for (int method = BYTES; method <= NIBBLES_TWICE; method++) {
    if (sizes[method] < least) best = method, least = sizes[method];
  }
  // Long runs of zeros are what LZ4 is best at.
  return n.bytes < padded / 32 ? LZ4 : best;
}

int put_plane(const kernels *k, workspace *w, const geometry *g, const uint8_t *plane, int tried, output *out,
                     uint8_t *table) {
  uint8_t *start = out->next;
  int method = tried ? choose(k, plane, g->padded_bytes, g->plane_bytes) : RAW;
  if (method == LZ4) {
    size_t room = (size_t)(out->end - out->next), most = g->plane_bytes < room ? g->plane_bytes : room;
    int bytes = LZ4_compress_fast_extState(w->lz4_state, (const char *)plane, (char *)out->next, (int)g->plane_bytes,
                                           (int)most, 1);
    if (bytes > 0) {
      out->next += bytes;
    } else {
      method = RAW;
    }
  } else if (method >= BYTES && method <= NIBBLES_TWICE) {
    if (!put_sparse(k, w, plane, g->padded_bytes, method, out)) return 0;
  }
  if (method == RAW && !put(out, plane, g->plane_bytes)) return 0;
  uint32_t entry = (uint32_t)method << LENGTH_BITS | (uint32_t)(out->next - start);
  memcpy(table, &entry, 4);
  return 1;
}

int put_low(workspace *w, const geometry *g, output *out, uint8_t *table) {
  size_t room = (size_t)(out->end - out->next), worthwhile = g->low_bytes - g->low_bytes / 64;
  int bytes = LZ4_compress_fast_extState(w->lz4_state, (const char *)w->low, (char *)out->next, (int)g->low_bytes,
                                         (int)(worthwhile < room ? worthwhile : room), 8);
  if (bytes <= 0 && !put(out, w->low, g->low_bytes)) return 0;
  if (bytes > 0) out->next += bytes;
  uint32_t entry = bytes > 0 ? (uint32_t)LZ4 << LENGTH_BITS | (uint32_t)bytes : (uint32_t)g->low_bytes;
  memcpy(table, &entry, 4);
  return 1;
}

static size_t set_bits(const uint8_t *mask, size_t size) {
  size_t n = 0;
  for (size_t i = 0; i < size; i += 8) {
    uint64_t word = 0;
    memcpy(&word, mask + i, size - i < 8 ? size - i : 8);
    n += (size_t)__builtin_popcountll(word);
  }
  return n;
}

/// A sparse plane back into scratch memory. 0 unless the lengths are exactly what the masks say.
static int get_sparse(const kernels *k, workspace *w, const uint8_t *in, size_t size, int method, uint8_t *plane,
                      size_t padded) {
  int nibbles = method == NIBBLES || method == NIBBLES_TWICE;
  size_t mask_size = nibbles ? padded / 4 : padded / 8, padded_mask = (mask_size + 7) / 8 * 8;
  const uint8_t *mask = in;
  if (method == BYTES_TWICE || method == NIBBLES_TWICE) {
    size_t second = padded_mask / 8;
    if (size < second) return 0;
    size_t kept = set_bits(in, second);
    if (size - second < kept) return 0;
    k->sparse.expand_bytes(in, in + second, kept, w->mask, padded_mask);
    mask = w->mask;
    in += second + kept, size -= second + kept;
  } else {
    if (size < mask_size) return 0;
    in += mask_size, size -= mask_size;
  }
  size_t units = set_bits(mask, mask_size);
  if (size != (nibbles ? (units + 1) / 2 : units)) return 0;
  if (nibbles) {
    k->sparse.expand_nibbles(mask, in, size, plane, padded);
  } else {
    k->sparse.expand_bytes(mask, in, size, plane, padded);
  }
  return 1;
}

const uint8_t *get_plane(const kernels *k, workspace *w, const uint8_t *in, uint32_t entry, uint8_t *plane,
                                const geometry *g) {
  int method = (int)(entry >> LENGTH_BITS);
  size_t size = entry & ((1u << LENGTH_BITS) - 1);
  switch (method) {
    case RAW: return size == g->plane_bytes ? in : 0;
    case LZ4:
      return LZ4_decompress_safe((const char *)in, (char *)plane, (int)size, (int)g->plane_bytes) ==
                     (int)g->plane_bytes
                 ? plane
                 : 0;
    case ZERO:
      memset(plane, 0, g->plane_bytes);
      return size == 0 ? plane : 0;
    case BYTES:
    case BYTES_TWICE:
    case NIBBLES:
    case NIBBLES_TWICE: return get_sparse(k, w, in, size, method, plane, g->padded_bytes) ? plane : 0;
    default: return 0;
  }
}

int get_low(workspace *w, const geometry *g, const uint8_t *in, uint32_t entry) {
  size_t size = entry & ((1u << LENGTH_BITS) - 1);
  switch (entry >> LENGTH_BITS) {
    case RAW:
      if (size != g->low_bytes) return 0;
      memcpy(w->low, in, size);
      return 1;
    case LZ4:
      return LZ4_decompress_safe((const char *)in, (char *)w->low, (int)size, (int)g->low_bytes) == (int)g->low_bytes;
    default: return 0;
  }
}
