#define _GNU_SOURCE
#include "placement.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/mempolicy.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MLOCK_ONFAULT
#define MLOCK_ONFAULT 1
#endif

enum { LONG_BITS = 8 * sizeof(unsigned long) };

static int set_policy(void *base, size_t bytes, int mode, int node, unsigned int flags) {
  if (node < 0 || node >= TIERD_MAX_NODES) {
    errno = EINVAL;
    return -1;
  }
  unsigned long nodes[TIERD_MAX_NODES / LONG_BITS] = {0};
  nodes[node / LONG_BITS] = 1UL << (node % LONG_BITS);
  // The kernel reads one bit less than it is told.
  return (int)syscall(SYS_mbind, base, bytes, mode, nodes, (unsigned long)TIERD_MAX_NODES + 1, flags);
}

int tierd_bind_memory(void *base, size_t bytes, int node, bool move) {
  return set_policy(base, bytes, MPOL_BIND, node, move ? MPOL_MF_MOVE : 0);
}

int tierd_prefer_memory(void *base, size_t bytes, int node) {
  return set_policy(base, bytes, MPOL_PREFERRED, node, 0);
}

int tierd_nodes_of_pages(void *base, size_t stride, size_t count, int *nodes) {
  enum { BATCH = 512 };
  void *pages[BATCH];
  for (size_t done = 0; done < count;) {
    size_t batch = count - done < BATCH ? count - done : BATCH;
    for (size_t i = 0; i < batch; i++) pages[i] = (char *)base + (done + i) * stride;
    if (syscall(SYS_move_pages, 0, batch, pages, NULL, nodes + done, 0) < 0) return -1;
    done += batch;
  }
  return 0;
}

int tierd_lock_on_fault(void *base, size_t bytes) { return (int)syscall(SYS_mlock2, base, bytes, MLOCK_ONFAULT); }

int64_t tierd_lock_limit(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0) return 0;
  return limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur > INT64_MAX ? -1 : (int64_t)limit.rlim_cur;
}

int tierd_populate(void *base, size_t bytes) {
  int rc;
  do {
    rc = madvise(base, bytes, MADV_POPULATE_WRITE);
  } while (rc != 0 && errno == EINTR);
  return rc;
}

int tierd_punch_hole(int fd, int64_t offset, int64_t bytes) {
  int rc;
  do {
    rc = fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, bytes);
  } while (rc != 0 && errno == EINTR);
  return rc;
}

int tierd_run_on_cpus(const uint64_t *mask, size_t words) {
  // 0 is the calling thread, not its whole process.
  return (int)syscall(SYS_sched_setaffinity, 0, words * sizeof *mask, mask);
}

int tierd_cpus_of_process(pid_t pid, uint64_t *mask, size_t words) {
  memset(mask, 0, words * sizeof *mask);
  long bytes = syscall(SYS_sched_getaffinity, pid, words * sizeof *mask, mask);
  return bytes < 0 ? -1 : (int)((size_t)bytes + sizeof *mask - 1) / (int)sizeof *mask;
}
