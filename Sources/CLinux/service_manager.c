#define _GNU_SOURCE
#include "service_manager.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "seqpacket.h"

int tierd_notify_connect(const char *address) {
  size_t length = strlen(address);
  if (length < 2 || (address[0] != '/' && address[0] != '@')) {
    errno = EAFNOSUPPORT;
    return -1;
  }
  if (length > TIERD_MAX_SOCKET_PATH) {
    errno = ENAMETOOLONG;
    return -1;
  }
  struct sockaddr_un name = {.sun_family = AF_UNIX};
  memcpy(name.sun_path, address, length);
  // An abstract name ends where the length says, not at a zero; its first byte is one.
  if (address[0] == '@') name.sun_path[0] = '\0';
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  if (connect(fd, (const struct sockaddr *)&name, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)) != 0) {
    int cause = errno;
    close(fd);
    errno = cause;
    return -1;
  }
  return fd;
}

int tierd_bound_path(int fd, char *path) {
  // One byte more than the kernel ever fills: a path may come without its zero.
  union {
    struct sockaddr_un name;
    char bytes[sizeof(struct sockaddr_un) + 1];
  } address;
  memset(&address, 0, sizeof address);
  socklen_t size = sizeof address.name;
  if (getsockname(fd, (struct sockaddr *)&address.name, &size) != 0) return -1;
  if (address.name.sun_family != AF_UNIX) {
    errno = EAFNOSUPPORT;
    return -1;
  }
  size_t length = strnlen(address.name.sun_path, TIERD_MAX_SOCKET_PATH);
  memcpy(path, address.name.sun_path, length);
  path[length] = '\0';
  return 0;
}
