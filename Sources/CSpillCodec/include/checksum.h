#ifndef TIERD_CHECKSUM_H
#define TIERD_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/// XXH3-64, seed 0, with the widest vectors the machine has: libxxhash's plain entry point uses SSE2 only and takes
/// three and a half times as long, and its dispatching one hides behind a macro that Swift does not see.
uint64_t tier_checksum(const void *bytes, size_t size);

#endif
