// pthread_setname_np and SCHED_BATCH are GNU extensions that Swift's Glibc module hides behind _GNU_SOURCE.
#ifndef TIERD_SYSTEM_THREADS_H
#define TIERD_SYSTEM_THREADS_H

#include <pthread.h>

// Names show in top and gdb. The kernel keeps the first 15 bytes.
void tierd_name_thread(pthread_t thread, const char *name);

// The calling thread no longer pushes others off a core whenever it wakes (SCHED_BATCH): it works through what has
// come when its turn comes. Where the kernel refuses, it stays as it is, which is slower for others but not wrong.
void tierd_prefer_throughput(void);

#endif
