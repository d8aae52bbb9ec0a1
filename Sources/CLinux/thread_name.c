#define _GNU_SOURCE
#include "thread_name.h"

#include <string.h>

void tierd_name_thread(pthread_t thread, const char *name) {
  char short_name[16];
  strncpy(short_name, name, sizeof short_name - 1);
  short_name[sizeof short_name - 1] = '\0';
  pthread_setname_np(thread, short_name);
}
