// What the parts of the fake driver share.
#ifndef TIERD_FAKE_STATE_H
#define TIERD_FAKE_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cuda_abi.h"

// Added to a host address to make a device address: nothing is mapped there.
#define DEVICE_OFFSET (UINT64_C(1) << 62)

struct settings {
  int devices;
  size_t memory_bytes;
  size_t granularity_bytes;
  unsigned delay_us;
  int version;
  bool is_initialised;
};
extern struct settings fake_settings;

void fake_read_settings(void);

// The error a call of `function` ends with before it does anything; CU_OK for none.
cu_result fake_failure(const char *function);
// Whether the calling thread made a context its own.
bool fake_has_context(void);
// From now on every call fails with this.
void fake_lose(cu_result code);

// Begins a function: what must hold for all of them. `needs_context` as the driver's own function does.
#define ENTER(needs_context)                                              \
  do {                                                                    \
    cu_result failure = fake_failure(__func__);                           \
    if (failure != CU_OK) return failure;                                 \
    if (!fake_settings.is_initialised) return CU_NOT_INITIALIZED;         \
    if ((needs_context) && !fake_has_context()) return CU_INVALID_CONTEXT; \
  } while (0)

// The host bytes behind a range of device addresses that may be accessed; NULL where some may not.
unsigned char *fake_device_bytes(cu_device_address address, size_t size);

#endif
