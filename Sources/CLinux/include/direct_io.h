#ifndef TIERD_DIRECT_IO_H
#define TIERD_DIRECT_IO_H

#include <stdbool.h>
#include <stdint.h>

/// Files of the spill. `O_DIRECT`, `fallocate` and `O_TMPFILE`-like names are GNU extensions that Swift's Glibc module
/// hides, and `cSettings: .define("_GNU_SOURCE")` does not change that; hence this shim. Every function answers a
/// negative errno on failure and retries EINTR where the call allows it.

/// Opens `name` in directory `directory` for reading and writing, never through a symbolic link, close-on-exec. With
/// `create` the file must not exist and gets mode 0600. With `direct` the page cache is bypassed. Answers the fd.
int tier_file_open(int directory, const char *name, bool create, bool direct);

/// Allocates `bytes` of disk for the file and sets its size, so that later writes inside it neither run out of space
/// nor change metadata. Where the file system cannot allocate ahead, the size alone is set.
int tier_file_preallocate(int fd, int64_t bytes);

/// What direct I/O on the file asks of offsets and lengths, and of addresses, in bytes; `offset` is 0 where the file
/// cannot have it. -EOPNOTSUPP where the kernel does not say (before 6.1, or a file system that does not tell).
int tier_direct_align(int fd, uint32_t *offset, uint32_t *memory);

/// Opens an existing directory for `openat`, never through a symbolic link in its last part. Answers the fd.
int tier_directory_open(const char *path);

#endif
