#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_cuda.h"
#include "state.h"

struct settings fake_settings;

struct plan {
  char function[64];
  int calls;
  int failures;
  int code;
};

enum { PLANS = 16 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct plan plans[PLANS];
static cu_result lost = CU_OK;

static void set_plan(const char *function, int calls, int failures, int code) {
  struct plan *place = NULL;
  for (int i = 0; i < PLANS; i++) {
    if (strcmp(plans[i].function, function) == 0) place = &plans[i];
    if (!place && plans[i].function[0] == 0) place = &plans[i];
  }
  if (!place) abort();
  snprintf(place->function, sizeof place->function, "%s", function);
  place->calls = calls;
  place->failures = failures;
  place->code = code;
}

void fake_cuda_fail(const char *function, int calls, int failures, int code) {
  pthread_mutex_lock(&lock);
  set_plan(function, calls, failures, code);
  if (failures == 0) lost = CU_OK;
  pthread_mutex_unlock(&lock);
}

static bool is_sticky(cu_result code) { return (code >= 700 && code < 712) || code == CU_UNKNOWN; }

cu_result fake_failure(const char *function) {
  pthread_mutex_lock(&lock);
  cu_result code = lost;
  for (int i = 0; code == CU_OK && i < PLANS; i++) {
    if (strcmp(plans[i].function, function) != 0 || plans[i].failures == 0) continue;
    if (plans[i].calls > 0) {
      plans[i].calls--;
      continue;
    }
    if (plans[i].failures > 0) plans[i].failures--;
    code = plans[i].code;
    if (is_sticky(code)) lost = code;
  }
  pthread_mutex_unlock(&lock);
  return code;
}

void fake_lose(cu_result code) {
  pthread_mutex_lock(&lock);
  lost = code;
  pthread_mutex_unlock(&lock);
}

static size_t number(const char *name, size_t otherwise) {
  const char *text = getenv(name);
  return text ? strtoull(text, NULL, 10) : otherwise;
}

void fake_read_settings(void) {
  fake_settings.devices = (int)number("FAKE_CUDA_DEVICES", 1);
  fake_settings.memory_bytes = number("FAKE_CUDA_MEMORY", (size_t)1 << 30);
  fake_settings.granularity_bytes = number("FAKE_CUDA_GRANULARITY", (size_t)2 << 20);
  fake_settings.delay_us = (unsigned)number("FAKE_CUDA_DELAY_US", 0);
  fake_settings.version = (int)number("FAKE_CUDA_VERSION", 12040);
  const char *text = getenv("FAKE_CUDA_FAIL");
  while (text && *text) {
    char function[64];
    int calls, code, length = 0;
    if (sscanf(text, "%63[^:]:%d:%d%n", function, &calls, &code, &length) < 3) abort();
    set_plan(function, calls, -1, code);
    text += length;
    if (*text == ',') text++;
  }
  fake_settings.is_initialised = true;
}
