#define _GNU_SOURCE
#include "direct_io.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int tier_file_open(int directory, const char *name, bool create, bool direct) {
  int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
  if (create) flags |= O_CREAT | O_EXCL;
  if (direct) flags |= O_DIRECT;
  int fd;
  do {
    fd = openat(directory, name, flags, 0600);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) return -errno;
  // A FIFO or a device planted under a segment's name must not be read from or waited for.
  struct stat status;
  if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
    close(fd);
    return -EINVAL;
  }
  // O_NONBLOCK was for the open alone: io_uring would answer EAGAIN instead of waiting where a file system cannot.
  fcntl(fd, F_SETFL, direct ? O_DIRECT : 0);
  return fd;
}

int tier_file_preallocate(int fd, int64_t bytes) {
  int rc;
  do {
    rc = fallocate(fd, 0, 0, bytes);
  } while (rc != 0 && errno == EINTR);
  if (rc == 0) return 0;
  if (errno != EOPNOTSUPP) return -errno;
  do {
    rc = ftruncate(fd, bytes);
  } while (rc != 0 && errno == EINTR);
  return rc == 0 ? 0 : -errno;
}

// The C library's `struct statx` is older than these fields: they are read from where the kernel's ABI has them.
enum { STATX_BYTES = 256, DIO_MASK = 0x2000, MASK_AT = 0, MEMORY_AT = 0x98, OFFSET_AT = 0x9c };

int tier_direct_align(int fd, uint32_t *offset, uint32_t *memory) {
  char status[STATX_BYTES] = {0};
  uint32_t mask;
  if (syscall(SYS_statx, fd, "", AT_EMPTY_PATH, DIO_MASK, status) != 0) return errno == ENOSYS ? -EOPNOTSUPP : -errno;
  memcpy(&mask, status + MASK_AT, sizeof mask);
  if ((mask & DIO_MASK) == 0) return -EOPNOTSUPP;
  memcpy(offset, status + OFFSET_AT, sizeof *offset);
  memcpy(memory, status + MEMORY_AT, sizeof *memory);
  return 0;
}

int tier_directory_open(const char *path) {
  int fd;
  do {
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  } while (fd < 0 && errno == EINTR);
  return fd < 0 ? -errno : fd;
}
