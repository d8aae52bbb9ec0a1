#define _GNU_SOURCE
#include "memfd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int create(const char *name, uint64_t size, unsigned int flags) {
  if (size > INT64_MAX) {
    errno = EFBIG;
    return -1;
  }
  int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | flags);
  if (fd < 0) return -1;
  if (fchmod(fd, 0600) != 0 || ftruncate(fd, (off_t)size) != 0 ||
      fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    int cause = errno;
    close(fd);
    errno = cause;
    return -1;
  }
  return fd;
}

int tierd_memfd_create(const char *name, uint64_t size) { return create(name, size, 0); }

int tierd_memfd_create_huge(const char *name, uint64_t size) { return create(name, size, MFD_HUGETLB); }

int tierd_memfd_reopen_readonly(int fd) {
  char path[32];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  return open(path, O_RDONLY | O_CLOEXEC);
}

bool tierd_memfd_is_fixed_size(int fd) {
  int seals = fcntl(fd, F_GET_SEALS);
  return seals >= 0 && (seals & F_SEAL_SHRINK) != 0 && (seals & F_SEAL_GROW) != 0;
}

int64_t tierd_memfd_size(int fd) {
  struct stat status;
  if (fstat(fd, &status) != 0) return -1;
  if (!S_ISREG(status.st_mode)) {
    errno = EINVAL;
    return -1;
  }
  return (int64_t)status.st_size;
}
