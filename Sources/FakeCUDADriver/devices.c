#include <stdio.h>
#include <string.h>

#include "fake_cuda.h"
#include "state.h"

static _Thread_local cu_context current;
static int contexts[16];

bool fake_has_context(void) { return current != NULL; }

cu_result cuInit(unsigned int flags) {
  (void)flags;
  if (!fake_settings.is_initialised) fake_read_settings();
  cu_result failure = fake_failure(__func__);
  if (failure != CU_OK) return failure;
  return fake_settings.devices == 0 ? CU_NO_DEVICE : CU_OK;
}

cu_result cuDriverGetVersion(int *version) {
  ENTER(false);
  *version = fake_settings.version;
  return CU_OK;
}

cu_result cuGetErrorName(cu_result error, const char **text) {
  switch (error) {
    case CU_OK: *text = "CUDA_SUCCESS"; return CU_OK;
    case CU_INVALID_VALUE: *text = "CUDA_ERROR_INVALID_VALUE"; return CU_OK;
    case CU_OUT_OF_MEMORY: *text = "CUDA_ERROR_OUT_OF_MEMORY"; return CU_OK;
    case CU_NO_DEVICE: *text = "CUDA_ERROR_NO_DEVICE"; return CU_OK;
    case CU_INVALID_HANDLE: *text = "CUDA_ERROR_INVALID_HANDLE"; return CU_OK;
    case CU_ILLEGAL_ADDRESS: *text = "CUDA_ERROR_ILLEGAL_ADDRESS"; return CU_OK;
    case CU_UNKNOWN: *text = "CUDA_ERROR_UNKNOWN"; return CU_OK;
    default: return CU_INVALID_VALUE;
  }
}

cu_result cuGetErrorString(cu_result error, const char **text) {
  (void)error;
  *text = "told by a driver for tests";
  return CU_OK;
}

cu_result cuDeviceGetCount(int *count) {
  ENTER(false);
  *count = fake_settings.devices;
  return CU_OK;
}

cu_result cuDeviceGet(cu_device *device, int ordinal) {
  ENTER(false);
  if (ordinal < 0 || ordinal >= fake_settings.devices) return CU_INVALID_DEVICE;
  *device = ordinal;
  return CU_OK;
}

cu_result cuDeviceGetName(char *name, int size, cu_device device) {
  ENTER(false);
  snprintf(name, (size_t)size, "Driver for tests %d", device);
  return CU_OK;
}

cu_result cuDeviceGetUuid_v2(cu_uuid *uuid, cu_device device) {
  ENTER(false);
  memset(uuid, 0, sizeof *uuid);
  memcpy(uuid->bytes, "driver for test", 15);
  uuid->bytes[15] = (char)device;
  return CU_OK;
}

cu_result cuDeviceGetAttribute(int *value, int attribute, cu_device device) {
  ENTER(false);
  switch (attribute) {
    case CU_ATTRIBUTE_PCI_BUS: *value = 0xf0 + device; return CU_OK;
    case CU_ATTRIBUTE_PCI_DEVICE: *value = 0x1f; return CU_OK;
    case CU_ATTRIBUTE_PCI_DOMAIN: *value = 0xffff; return CU_OK;
    case CU_ATTRIBUTE_VIRTUAL_MEMORY:
    case CU_ATTRIBUTE_POSIX_DESCRIPTORS: *value = 1; return CU_OK;
    default: return CU_INVALID_VALUE;
  }
}

cu_result cuDeviceTotalMem_v2(size_t *bytes, cu_device device) {
  ENTER(false);
  (void)device;
  *bytes = fake_settings.memory_bytes;
  return CU_OK;
}

cu_result cuDevicePrimaryCtxRetain(cu_context *context, cu_device device) {
  ENTER(false);
  *context = (cu_context)&contexts[device];
  return CU_OK;
}

cu_result cuDevicePrimaryCtxRelease_v2(cu_device device) {
  ENTER(false);
  (void)device;
  return CU_OK;
}

cu_result cuCtxSetCurrent(cu_context context) {
  ENTER(false);
  current = context;
  return CU_OK;
}

// Kernels are not run here: whoever needs one is told.
cu_result cuModuleLoadData(cu_module *module, const void *image) {
  (void)module, (void)image;
  ENTER(true);
  return CU_NOT_SUPPORTED;
}

cu_result cuModuleGetFunction(cu_function *function, cu_module module, const char *name) {
  (void)function, (void)module, (void)name;
  ENTER(true);
  return CU_NOT_SUPPORTED;
}

cu_result cuLaunchKernel(
    cu_function function, unsigned int grid_x, unsigned int grid_y, unsigned int grid_z, unsigned int block_x,
    unsigned int block_y, unsigned int block_z, unsigned int shared_bytes, cu_stream stream, void **parameters,
    void **extra) {
  (void)function, (void)grid_x, (void)grid_y, (void)grid_z, (void)block_x, (void)block_y, (void)block_z;
  (void)shared_bytes, (void)stream, (void)parameters, (void)extra;
  ENTER(true);
  return CU_NOT_SUPPORTED;
}
