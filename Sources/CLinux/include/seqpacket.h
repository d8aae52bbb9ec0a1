// SOCK_SEQPACKET Unix sockets that carry descriptors. Here, and not in Swift, because struct ucred, accept4, the CMSG_*
// macros and MSG_CMSG_CLOEXEC are GNU extensions or macros that Swift's Glibc module does not show.
//
// Functions return -1 on failure and leave the cause in errno. Whoever calls them retries EINTR: only it knows its
// deadline.
#ifndef TIERD_SEQPACKET_H
#define TIERD_SEQPACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
  // Descriptors in one message.
  TIERD_MAX_DESCRIPTORS = 16,
  // Bytes of a socket path without its terminating zero (sizeof sockaddr_un.sun_path - 1).
  TIERD_MAX_SOCKET_PATH = 107,
};

// A new close-on-exec SOCK_SEQPACKET socket.
int tierd_socket(void);

// A connected pair, close-on-exec, for tests and for workers that inherit their socket.
int tierd_socketpair(int ends[2]);

// Binds to `path`; the file is made with at most `mode` (less what the umask takes), so that nobody outside the group
// can connect even for an instant. ENAMETOOLONG where the path does not fit.
int tierd_bind(int fd, const char *path, mode_t mode);

int tierd_connect(int fd, const char *path);

// accept4 with SOCK_CLOEXEC: the accepted socket blocks.
int tierd_accept(int fd);

// Whether the descriptor is a SOCK_SEQPACKET Unix socket that listens: what socket activation must hand over.
bool tierd_is_listening(int fd);

struct tierd_peer {
  pid_t pid;
  uid_t uid;
  gid_t gid;
};

// SO_PEERCRED: who connected, or who called listen, as the kernel noted at that moment.
int tierd_peer_credentials(int fd, struct tierd_peer *peer);

// Timeouts of blocking receives and of sends and connects; 0 is none.
int tierd_set_receive_timeout(int fd, int64_t milliseconds);
int tierd_set_send_timeout(int fd, int64_t milliseconds);

// Sends one message, whole or not at all, with descriptors. Never raises SIGPIPE. `wait` false is MSG_DONTWAIT: EAGAIN
// where the peer's queue is full.
ssize_t tierd_send(int fd, const void *bytes, size_t size, const int *descriptors, int count, bool wait);

enum {
  // The message was longer than the buffer: the rest of it is gone.
  TIERD_TRUNCATED = 1,
  // More descriptors came than there is room for: the kernel dropped some.
  TIERD_DESCRIPTORS_TRUNCATED = 2,
};

// Receives one message. Descriptors are close-on-exec from the start; `*count` is how many came and are the caller's to
// close, whatever else is said in `*flags`. 0 means the peer is gone (or sent an empty message, which no frame is).
ssize_t tierd_receive(int fd, void *bytes, size_t size, int descriptors[TIERD_MAX_DESCRIPTORS], int *count, int *flags,
                      bool wait);

#endif
