#define _GNU_SOURCE
#include "uring.h"

#include <errno.h>
#include <liburing.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/uio.h>

struct tier_ring {
  struct io_uring ring;
  char *base;
  size_t bytes;
  bool registered;
};

tier_ring *tier_ring_open(unsigned entries, int *error) {
  tier_ring *ring = calloc(1, sizeof *ring);
  if (ring == NULL) {
    *error = -ENOMEM;
    return NULL;
  }
  struct io_uring_params params = {.flags = IORING_SETUP_CLAMP};
  int rc = io_uring_queue_init_params(entries, &ring->ring, &params);
  // A timed wait without IORING_FEAT_EXT_ARG puts a timeout into the queue, whose end would be taken for an operation's.
  if (rc == 0 && !(params.features & IORING_FEAT_EXT_ARG)) {
    io_uring_queue_exit(&ring->ring);
    rc = -ENOSYS;
  }
  if (rc != 0) {
    free(ring);
    *error = rc;
    return NULL;
  }
  *error = 0;
  return ring;
}

void tier_ring_close(tier_ring *ring) {
  io_uring_queue_exit(&ring->ring);
  free(ring);
}

int tier_ring_register(tier_ring *ring, void *base, size_t bytes) {
  if (ring->registered) io_uring_unregister_buffers(&ring->ring);
  struct iovec buffer = {.iov_base = base, .iov_len = bytes};
  int rc = io_uring_register_buffers(&ring->ring, &buffer, 1);
  ring->registered = rc == 0;
  ring->base = base;
  ring->bytes = bytes;
  return rc;
}

int tier_ring_submit(tier_ring *ring, int kind, int fd, void *buffer, unsigned bytes, uint64_t offset, uint64_t tag) {
  struct io_uring_sqe *entry = io_uring_get_sqe(&ring->ring);
  if (entry == NULL) return -EBUSY;
  char *start = buffer;
  bool fixed = ring->registered && start >= ring->base && start + bytes <= ring->base + ring->bytes;
  switch (kind) {
    case TIER_RING_READ:
      if (fixed) io_uring_prep_read_fixed(entry, fd, buffer, bytes, offset, 0);
      else io_uring_prep_read(entry, fd, buffer, bytes, offset);
      break;
    case TIER_RING_WRITE:
      if (fixed) io_uring_prep_write_fixed(entry, fd, buffer, bytes, offset, 0);
      else io_uring_prep_write(entry, fd, buffer, bytes, offset);
      break;
    default:
      io_uring_prep_fsync(entry, fd, IORING_FSYNC_DATASYNC);
      break;
  }
  io_uring_sqe_set_data64(entry, tag);
  // What the kernel does not take now (it is short of memory) stays in the queue and goes with the next submission or
  // wait: it counts as in flight, and its deadline as begun.
  io_uring_submit(&ring->ring);
  return 0;
}

int tier_ring_wait(tier_ring *ring, uint64_t timeout_ns, uint64_t *tag, int *result) {
  struct __kernel_timespec limit = {
      .tv_sec = (int64_t)(timeout_ns / 1000000000u), .tv_nsec = (int64_t)(timeout_ns % 1000000000u)};
  struct io_uring_cqe *entry = NULL;
  if (io_uring_sq_ready(&ring->ring) > 0) io_uring_submit(&ring->ring);
  int rc = io_uring_wait_cqe_timeout(&ring->ring, &entry, &limit);
  if (rc == -ETIME || rc == -EINTR || rc == -EAGAIN) return 0;
  if (rc != 0) return rc;
  *tag = io_uring_cqe_get_data64(entry);
  *result = entry->res;
  io_uring_cqe_seen(&ring->ring, entry);
  return 1;
}
