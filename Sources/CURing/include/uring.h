#ifndef TIERD_URING_H
#define TIERD_URING_H

#include <stddef.h>
#include <stdint.h>

/// A ring of io_uring with one registered buffer, for one thread at a time. liburing.h defines `_XOPEN_SOURCE` and then
/// clashes with other modules: it stays behind this header. Functions answer a negative errno on failure.
typedef struct tier_ring tier_ring;

/// What an operation does.
enum { TIER_RING_READ = 0, TIER_RING_WRITE = 1, TIER_RING_SYNC = 2 };

/// A ring for so many operations at once; null where the kernel has none to give, with the reason in `*error`.
tier_ring *tier_ring_open(unsigned entries, int *error);
/// Nothing may be in flight.
void tier_ring_close(tier_ring *ring);

/// Makes `base` the registered buffer, instead of what was. Where the kernel refuses (it counts against
/// RLIMIT_MEMLOCK) operations go on, and pin their pages each time. Nothing may be in flight.
int tier_ring_register(tier_ring *ring, void *base, size_t bytes);

/// Starts an operation: a read or write of `bytes` at `offset`, or a sync of the file's data. `buffer` must stay until it
/// has ended. Answers 0.
int tier_ring_submit(tier_ring *ring, int kind, int fd, void *buffer, unsigned bytes, uint64_t offset, uint64_t tag);

/// Waits for an operation to end. Answers 1, with its tag and its result (bytes, or a negative errno); 0 where none ended
/// in time.
int tier_ring_wait(tier_ring *ring, uint64_t timeout_ns, uint64_t *tag, int *result);

#endif
