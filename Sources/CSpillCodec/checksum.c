#include "checksum.h"

#if defined(__x86_64__)
#include <xxh_x86dispatch.h>
#else
#include <xxhash.h>
#endif

uint64_t tier_checksum(const void *bytes, size_t size) { return XXH3_64bits(bytes, size); }
