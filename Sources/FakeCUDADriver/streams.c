#define _GNU_SOURCE

// A stream is a thread that carries out what it is given, in order.
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake_cuda.h"
#include "state.h"

struct cu_event_s {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  // Records that were asked for, and that have been reached: the event is complete where they are equal.
  unsigned long recorded;
  unsigned long reached;
};

struct operation {
  void *to;
  const void *from;
  size_t size;
  bool is_fill;
  unsigned char value;
  cu_event event;
  struct operation *next;
};

struct cu_stream_s {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  pthread_t thread;
  struct operation *first;
  struct operation **last;
  bool is_busy;
  bool is_closed;
};

static unsigned long long copies;

unsigned long long fake_cuda_copies(void) { return __atomic_load_n(&copies, __ATOMIC_RELAXED); }

static void carry_out(struct operation *operation, unsigned *random) {
  if (operation->is_fill) {
    // Long enough that who does not wait for it is found out.
    usleep(fake_settings.delay_us);
    memset(operation->to, operation->value, operation->size);
    return;
  }
  if (operation->event) {
    pthread_mutex_lock(&operation->event->lock);
    operation->event->reached++;
    pthread_cond_broadcast(&operation->event->changed);
    pthread_mutex_unlock(&operation->event->lock);
    return;
  }
  if (fake_settings.delay_us > 0) usleep((unsigned)rand_r(random) % fake_settings.delay_us);
  memcpy(operation->to, operation->from, operation->size);
}

static void *run(void *argument) {
  cu_stream stream = argument;
  unsigned random = 1;
  pthread_mutex_lock(&stream->lock);
  while (true) {
    while (!stream->first && !stream->is_closed) pthread_cond_wait(&stream->changed, &stream->lock);
    struct operation *operation = stream->first;
    if (!operation) break;
    stream->first = operation->next;
    if (!stream->first) stream->last = &stream->first;
    stream->is_busy = true;
    pthread_mutex_unlock(&stream->lock);
    carry_out(operation, &random);
    free(operation);
    pthread_mutex_lock(&stream->lock);
    stream->is_busy = false;
    pthread_cond_broadcast(&stream->changed);
  }
  pthread_mutex_unlock(&stream->lock);
  return NULL;
}

static void push(cu_stream stream, struct operation operation) {
  struct operation *place = malloc(sizeof *place);
  if (!place) abort();
  *place = operation;
  place->next = NULL;
  pthread_mutex_lock(&stream->lock);
  *stream->last = place;
  stream->last = &place->next;
  pthread_cond_broadcast(&stream->changed);
  pthread_mutex_unlock(&stream->lock);
}

static cu_stream make_stream(void) {
  cu_stream made = calloc(1, sizeof *made);
  if (!made) abort();
  pthread_mutex_init(&made->lock, NULL);
  pthread_cond_init(&made->changed, NULL);
  made->last = &made->first;
  if (pthread_create(&made->thread, NULL, run, made) != 0) abort();
  return made;
}

cu_result cuStreamCreate(cu_stream *stream, unsigned int flags) {
  ENTER(true);
  (void)flags;
  *stream = make_stream();
  return CU_OK;
}

// The null stream is there from the start; streams made apart from it do not wait for it.
static cu_stream null_stream(void) {
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  static cu_stream made;
  pthread_mutex_lock(&lock);
  if (!made) made = make_stream();
  pthread_mutex_unlock(&lock);
  return made;
}

cu_result cuStreamSynchronize(cu_stream stream) {
  ENTER(true);
  if (!stream) stream = null_stream();
  pthread_mutex_lock(&stream->lock);
  while (stream->first || stream->is_busy) pthread_cond_wait(&stream->changed, &stream->lock);
  pthread_mutex_unlock(&stream->lock);
  return CU_OK;
}

cu_result cuStreamDestroy_v2(cu_stream stream) {
  ENTER(true);
  pthread_mutex_lock(&stream->lock);
  stream->is_closed = true;
  pthread_cond_broadcast(&stream->changed);
  pthread_mutex_unlock(&stream->lock);
  pthread_join(stream->thread, NULL);
  pthread_cond_destroy(&stream->changed);
  pthread_mutex_destroy(&stream->lock);
  free(stream);
  return CU_OK;
}

// A copy beyond what may be accessed is found out when it runs: every call fails from then on, as on a real device.
static cu_result stray(void) {
  fake_lose(CU_ILLEGAL_ADDRESS);
  return CU_ILLEGAL_ADDRESS;
}

cu_result cuMemcpyHtoDAsync_v2(cu_device_address to, const void *from, size_t size, cu_stream stream) {
  ENTER(true);
  unsigned char *bytes = fake_device_bytes(to, size);
  if (!bytes) return stray();
  __atomic_add_fetch(&copies, 1, __ATOMIC_RELAXED);
  push(stream, (struct operation){.to = bytes, .from = from, .size = size});
  return CU_OK;
}

cu_result cuMemcpyDtoHAsync_v2(void *to, cu_device_address from, size_t size, cu_stream stream) {
  ENTER(true);
  unsigned char *bytes = fake_device_bytes(from, size);
  if (!bytes) return stray();
  __atomic_add_fetch(&copies, 1, __ATOMIC_RELAXED);
  push(stream, (struct operation){.to = to, .from = bytes, .size = size});
  return CU_OK;
}

cu_result cuMemcpyHtoD_v2(cu_device_address to, const void *from, size_t size) {
  ENTER(true);
  unsigned char *bytes = fake_device_bytes(to, size);
  if (!bytes) return stray();
  memcpy(bytes, from, size);
  return CU_OK;
}

cu_result cuMemcpyDtoH_v2(void *to, cu_device_address from, size_t size) {
  ENTER(true);
  unsigned char *bytes = fake_device_bytes(from, size);
  if (!bytes) return stray();
  memcpy(to, bytes, size);
  return CU_OK;
}

cu_result cuMemsetD8_v2(cu_device_address to, unsigned char value, size_t count) {
  ENTER(true);
  unsigned char *bytes = fake_device_bytes(to, count);
  if (!bytes) return stray();
  push(null_stream(), (struct operation){.to = bytes, .size = count, .is_fill = true, .value = value});
  return CU_OK;
}

cu_result cuEventCreate(cu_event *event, unsigned int flags) {
  ENTER(true);
  (void)flags;
  cu_event made = calloc(1, sizeof *made);
  if (!made) abort();
  pthread_mutex_init(&made->lock, NULL);
  pthread_cond_init(&made->changed, NULL);
  *event = made;
  return CU_OK;
}

cu_result cuEventDestroy_v2(cu_event event) {
  ENTER(true);
  pthread_cond_destroy(&event->changed);
  pthread_mutex_destroy(&event->lock);
  free(event);
  return CU_OK;
}

cu_result cuEventRecord(cu_event event, cu_stream stream) {
  ENTER(true);
  pthread_mutex_lock(&event->lock);
  event->recorded++;
  pthread_mutex_unlock(&event->lock);
  push(stream, (struct operation){.event = event});
  return CU_OK;
}

cu_result cuEventQuery(cu_event event) {
  ENTER(true);
  pthread_mutex_lock(&event->lock);
  cu_result result = event->reached == event->recorded ? CU_OK : CU_NOT_READY;
  pthread_mutex_unlock(&event->lock);
  return result;
}

cu_result cuEventSynchronize(cu_event event) {
  ENTER(true);
  pthread_mutex_lock(&event->lock);
  while (event->reached != event->recorded) pthread_cond_wait(&event->changed, &event->lock);
  pthread_mutex_unlock(&event->lock);
  return CU_OK;
}
