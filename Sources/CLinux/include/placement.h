// Where memory lies and threads run. mbind, move_pages, mlock2, fallocate and the CPU_* macros are GNU extensions or bare
// system calls that Swift's Glibc module does not show.
//
// Not libnuma: these are six system calls; what is there of nodes is read from sysfs, which libnuma reads from one fixed
// place, so that nothing could be tested without such a machine; and one library less is linked.
//
// All return -1 on failure and leave the cause in errno.
#ifndef TIERD_PLACEMENT_H
#define TIERD_PLACEMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
  // Nodes and processors beyond these are not looked at.
  TIERD_MAX_NODES = 1024,
  TIERD_MAX_CPUS = 8192,
};

// Pages of the range come from `node` alone from now on (MPOL_BIND); those that are elsewhere are moved there where
// `move` is set. Of memory that is shared the policy is the file's: it holds for whoever touches it first.
int tierd_bind_memory(void *base, size_t bytes, int node, bool move);

// The same as long as the node has free pages, else from another (MPOL_PREFERRED): a fault never fails for it.
int tierd_prefer_memory(void *base, size_t bytes, int node);

// The nodes of `count` pages, the first at `base` and each `stride` bytes from the one before; -ENOENT in `nodes` where a
// page is not in memory.
int tierd_nodes_of_pages(void *base, size_t stride, size_t count, int *nodes);

// Locks the range: pages stay in memory once they have come there (MLOCK_ONFAULT).
int tierd_lock_on_fault(void *base, size_t bytes);

// Bytes this process may lock (RLIMIT_MEMLOCK); -1 where there is no limit.
int64_t tierd_lock_limit(void);

// Brings every page of the range into memory as if it was written to, changing nothing (MADV_POPULATE_WRITE, Linux 5.14).
int tierd_populate(void *base, size_t bytes);

// Gives the pages of a file's range back to the system, locked or not (MADV_REMOVE refuses locked ones).
int tierd_punch_hole(int fd, int64_t offset, int64_t bytes);

// The calling thread runs on these processors only from now on: bit `i` of `mask` is processor `i`.
int tierd_run_on_cpus(const uint64_t *mask, size_t words);

// The processors a process may run on; returns how many words of `mask` were filled.
int tierd_cpus_of_process(pid_t pid, uint64_t *mask, size_t words);

#endif
