// What systemd's protocols need of the kernel beyond sending and receiving: abstract addresses, and where an inherited
// socket is bound.
//
// All return -1 on failure and leave the cause in errno.
#ifndef TIERD_SERVICE_MANAGER_H
#define TIERD_SERVICE_MANAGER_H

// A close-on-exec SOCK_DGRAM socket connected to `address`: an absolute path, or a name in the abstract namespace written
// with a leading '@', as in NOTIFY_SOCKET. EAFNOSUPPORT for any other form (a hypervisor's vsock:), ENAMETOOLONG where it
// does not fit.
int tierd_notify_connect(const char *address);

// The path a Unix socket is bound to, zero-terminated, into `path`, which holds TIERD_MAX_SOCKET_PATH + 1 bytes; empty
// where it has no path.
int tierd_bound_path(int fd, char *path);

#endif
