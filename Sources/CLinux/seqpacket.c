#define _GNU_SOURCE
#include "seqpacket.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

int tierd_socket(void) { return socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0); }

int tierd_socketpair(int ends[2]) { return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends); }

static int address_of(const char *path, struct sockaddr_un *address, socklen_t *size) {
  size_t length = strlen(path);
  if (length == 0 || length > TIERD_MAX_SOCKET_PATH) {
    errno = length == 0 ? ENOENT : ENAMETOOLONG;
    return -1;
  }
  memset(address, 0, sizeof *address);
  address->sun_family = AF_UNIX;
  memcpy(address->sun_path, path, length);
  *size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + 1);
  return 0;
}

int tierd_bind(int fd, const char *path, mode_t mode) {
  struct sockaddr_un address;
  socklen_t size;
  if (address_of(path, &address, &size) != 0) return -1;
  // Linux gives the file the mode of the socket's own inode, less the umask.
  if (fchmod(fd, mode) != 0) return -1;
  return bind(fd, (const struct sockaddr *)&address, size);
}

int tierd_connect(int fd, const char *path) {
  struct sockaddr_un address;
  socklen_t size;
  if (address_of(path, &address, &size) != 0) return -1;
  return connect(fd, (const struct sockaddr *)&address, size);
}

int tierd_accept(int fd) { return accept4(fd, NULL, NULL, SOCK_CLOEXEC); }

static bool has_option(int fd, int option, int expected) {
  int value = 0;
  socklen_t size = sizeof value;
  return getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 && value == expected;
}

bool tierd_is_listening(int fd) {
  return has_option(fd, SO_DOMAIN, AF_UNIX) && has_option(fd, SO_TYPE, SOCK_SEQPACKET) &&
         has_option(fd, SO_ACCEPTCONN, 1);
}

int tierd_peer_credentials(int fd, struct tierd_peer *peer) {
  struct ucred credentials;
  socklen_t size = sizeof credentials;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return -1;
  peer->pid = credentials.pid;
  peer->uid = credentials.uid;
  peer->gid = credentials.gid;
  return 0;
}

static int set_timeout(int fd, int option, int64_t milliseconds) {
  struct timeval timeout = {.tv_sec = milliseconds / 1000, .tv_usec = milliseconds % 1000 * 1000};
  return setsockopt(fd, SOL_SOCKET, option, &timeout, sizeof timeout);
}

int tierd_set_receive_timeout(int fd, int64_t milliseconds) { return set_timeout(fd, SO_RCVTIMEO, milliseconds); }

int tierd_set_send_timeout(int fd, int64_t milliseconds) { return set_timeout(fd, SO_SNDTIMEO, milliseconds); }

// The union gives the control buffer the alignment of a header.
union control {
  struct cmsghdr header;
  char bytes[CMSG_SPACE(sizeof(int) * TIERD_MAX_DESCRIPTORS)];
};

ssize_t tierd_send(int fd, const void *bytes, size_t size, const int *descriptors, int count, bool wait) {
  if (count < 0 || count > TIERD_MAX_DESCRIPTORS) {
    errno = EINVAL;
    return -1;
  }
  struct iovec part = {.iov_base = (void *)bytes, .iov_len = size};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  union control control;
  if (count > 0) {
    memset(&control, 0, sizeof control);
    message.msg_control = control.bytes;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)count);
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)count);
    memcpy(CMSG_DATA(header), descriptors, sizeof(int) * (size_t)count);
  }
  return sendmsg(fd, &message, MSG_NOSIGNAL | (wait ? 0 : MSG_DONTWAIT));
}

ssize_t tierd_receive(int fd, void *bytes, size_t size, int descriptors[TIERD_MAX_DESCRIPTORS], int *count, int *flags,
                      bool wait) {
  struct iovec part = {.iov_base = bytes, .iov_len = size};
  union control control;
  struct msghdr message = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
  *count = 0;
  *flags = 0;
  ssize_t received = recvmsg(fd, &message, MSG_CMSG_CLOEXEC | (wait ? 0 : MSG_DONTWAIT));
  if (received < 0) return -1;
  if (message.msg_flags & MSG_TRUNC) *flags |= TIERD_TRUNCATED;
  if (message.msg_flags & MSG_CTRUNC) *flags |= TIERD_DESCRIPTORS_TRUNCATED;
  for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header != NULL; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    size_t came = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < came && *count < TIERD_MAX_DESCRIPTORS; i++) {
      memcpy(&descriptors[(*count)++], CMSG_DATA(header) + i * sizeof(int), sizeof(int));
    }
  }
  return received;
}
