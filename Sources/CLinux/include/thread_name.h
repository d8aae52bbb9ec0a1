// pthread_setname_np is a GNU extension that Swift's Glibc module hides behind _GNU_SOURCE. Names show in top and gdb.
#ifndef TIERD_THREAD_NAME_H
#define TIERD_THREAD_NAME_H

#include <pthread.h>

// The kernel keeps the first 15 bytes.
void tierd_name_thread(pthread_t thread, const char *name);

#endif
