#define _GNU_SOURCE
#include "system_threads.h"

#include <sched.h>
#include <string.h>

void tierd_name_thread(pthread_t thread, const char *name) {
  char short_name[16];
  strncpy(short_name, name, sizeof short_name - 1);
  short_name[sizeof short_name - 1] = '\0';
  pthread_setname_np(thread, short_name);
}

void tierd_prefer_throughput(void) {
  struct sched_param none = {.sched_priority = 0};
  // 0 is the calling thread, not its whole process.
  (void)sched_setscheduler(0, SCHED_BATCH, &none);
}
