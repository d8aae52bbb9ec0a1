// Memory files. memfd_create, the seals and O_PATH-free reopening are GNU extensions that Swift's Glibc module hides
// behind _GNU_SOURCE, and fcntl is variadic besides: these are the few calls arenas need, as plain functions.
//
// All return -1 (or the value said) on failure and leave the cause in errno.
#ifndef TIERD_MEMFD_H
#define TIERD_MEMFD_H

#include <stdbool.h>
#include <stdint.h>

// The seals an arena carries: its size is fixed for ever, and no seal can be added (F_SEAL_SEAL).
// F_SEAL_FUTURE_WRITE is not among them: it would forbid the owner's own map after a restart.
//
// A new memory file of `size` bytes, mode 0600, close-on-exec, sealed as above; its pages are zero. The mode is set
// before the descriptor can be known to anyone: a memfd starts as 0777, and another uid could reopen a read-only
// descriptor of it for writing through /proc.
int tierd_memfd_create(const char *name, uint64_t size);

// As above, of huge pages (MFD_HUGETLB). It succeeds even where none are reserved; mapping it is what fails then.
int tierd_memfd_create_huge(const char *name, uint64_t size);

// A second descriptor of the same memory file that cannot write: an open of /proc/self/fd/N gives it an open file
// description of its own, with O_RDONLY, which dup cannot do.
int tierd_memfd_reopen_readonly(int fd);

// Whether the file can change size under a map of it: true only where F_SEAL_SHRINK and F_SEAL_GROW are both set. False
// for whatever is no memory file. A map of a file that can shrink ends in SIGBUS at its owner's whim.
bool tierd_memfd_is_fixed_size(int fd);

// The length of a regular file; -1 with errno EINVAL where the descriptor is something else.
int64_t tierd_memfd_size(int fd);

// The generation of a slot, read after its bytes were used and before the result is. An acquire *load* orders what
// follows it, not what came before: the fence keeps the earlier reads of the slot ahead of this one. Swift's atomics
// cannot be laid over memory mapped from another process without owning it.
static inline uint64_t tierd_generation_after_use(const uint64_t *generation) {
  __atomic_thread_fence(__ATOMIC_ACQUIRE);
  return __atomic_load_n(generation, __ATOMIC_ACQUIRE);
}

#endif
