// Physical memory is a memfd; a mapping of it is at host addresses, told with an offset.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake_cuda.h"
#include "state.h"

struct physical {
  int fd;
  size_t size;
  int references;
  bool is_ours;
};

struct range {
  unsigned char *base;
  size_t size;
  struct physical *physical;
  bool is_accessible;
  struct range *next;
};

struct registration {
  unsigned char *base;
  size_t size;
  struct registration *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct range *ranges;
static struct registration *registrations;
static unsigned long long allocated;

unsigned long long fake_cuda_allocated_bytes(void) {
  pthread_mutex_lock(&lock);
  unsigned long long bytes = allocated;
  pthread_mutex_unlock(&lock);
  return bytes;
}

unsigned long long fake_cuda_registered_bytes(void) {
  pthread_mutex_lock(&lock);
  unsigned long long bytes = 0;
  for (struct registration *r = registrations; r; r = r->next) bytes += r->size;
  pthread_mutex_unlock(&lock);
  return bytes;
}

static struct range *range_at(cu_device_address address) {
  for (struct range *r = ranges; r; r = r->next)
    if ((uint64_t)(uintptr_t)r->base + DEVICE_OFFSET == address) return r;
  return NULL;
}

unsigned char *fake_device_bytes(cu_device_address address, size_t size) {
  unsigned char *found = NULL;
  uint64_t host = address - DEVICE_OFFSET;
  pthread_mutex_lock(&lock);
  for (struct range *r = ranges; r; r = r->next) {
    uint64_t base = (uint64_t)(uintptr_t)r->base;
    if (host >= base && host - base <= r->size && size <= r->size - (host - base) && r->physical && r->is_accessible)
      found = (unsigned char *)(uintptr_t)host;
  }
  pthread_mutex_unlock(&lock);
  return found;
}

static void let_go(struct physical *physical) {
  if (--physical->references > 0) return;
  if (physical->is_ours) allocated -= physical->size;
  close(physical->fd);
  free(physical);
}

cu_result cuMemGetInfo_v2(size_t *free_bytes, size_t *total) {
  ENTER(true);
  *total = fake_settings.memory_bytes;
  *free_bytes = fake_settings.memory_bytes - fake_cuda_allocated_bytes();
  return CU_OK;
}

cu_result cuMemGetAllocationGranularity(size_t *bytes, const cu_allocation_properties *properties, int option) {
  ENTER(false);
  (void)properties, (void)option;
  *bytes = fake_settings.granularity_bytes;
  return CU_OK;
}

cu_result cuMemCreate(
    cu_memory_handle *handle, size_t size, const cu_allocation_properties *properties, unsigned long long flags) {
  ENTER(true);
  if (flags != 0 || size == 0 || size % fake_settings.granularity_bytes != 0) return CU_INVALID_VALUE;
  if (properties->type != CU_ALLOCATION_PINNED || properties->location.type != CU_LOCATION_DEVICE)
    return CU_INVALID_VALUE;
  int fd = memfd_create("fake-cuda", MFD_CLOEXEC);
  struct physical *physical = malloc(sizeof *physical);
  if (fd < 0 || !physical || ftruncate(fd, (off_t)size) != 0) abort();
  pthread_mutex_lock(&lock);
  bool fits = allocated + size <= fake_settings.memory_bytes;
  if (fits) allocated += size;
  pthread_mutex_unlock(&lock);
  if (!fits) {
    close(fd);
    free(physical);
    return CU_OUT_OF_MEMORY;
  }
  *physical = (struct physical){.fd = fd, .size = size, .references = 1, .is_ours = true};
  *handle = (cu_memory_handle)(uintptr_t)physical;
  return CU_OK;
}

cu_result cuMemRelease(cu_memory_handle handle) {
  ENTER(false);
  pthread_mutex_lock(&lock);
  let_go((struct physical *)(uintptr_t)handle);
  pthread_mutex_unlock(&lock);
  return CU_OK;
}

cu_result cuMemExportToShareableHandle(
    void *descriptor, cu_memory_handle handle, int type, unsigned long long flags) {
  ENTER(true);
  if (type != CU_HANDLE_POSIX_DESCRIPTOR || flags != 0) return CU_INVALID_VALUE;
  int fd = dup(((struct physical *)(uintptr_t)handle)->fd);
  if (fd < 0) return CU_UNKNOWN;
  *(int *)descriptor = fd;
  return CU_OK;
}

cu_result cuMemImportFromShareableHandle(cu_memory_handle *handle, void *descriptor, int type) {
  ENTER(true);
  struct stat status;
  int given = (int)(intptr_t)descriptor;
  if (type != CU_HANDLE_POSIX_DESCRIPTOR || fstat(given, &status) != 0 || !S_ISREG(status.st_mode))
    return CU_INVALID_VALUE;
  int fd = fcntl(given, F_DUPFD_CLOEXEC, 3);
  struct physical *physical = malloc(sizeof *physical);
  if (fd < 0 || !physical) abort();
  *physical = (struct physical){.fd = fd, .size = (size_t)status.st_size, .references = 1, .is_ours = false};
  *handle = (cu_memory_handle)(uintptr_t)physical;
  return CU_OK;
}

cu_result cuMemAddressReserve(
    cu_device_address *address, size_t size, size_t alignment, cu_device_address wanted, unsigned long long flags) {
  ENTER(true);
  (void)alignment, (void)wanted;
  if (flags != 0 || size == 0 || size % fake_settings.granularity_bytes != 0) return CU_INVALID_VALUE;
  void *base = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  struct range *range = malloc(sizeof *range);
  if (base == MAP_FAILED || !range) return CU_OUT_OF_MEMORY;
  pthread_mutex_lock(&lock);
  *range = (struct range){.base = base, .size = size, .next = ranges};
  ranges = range;
  pthread_mutex_unlock(&lock);
  *address = (uint64_t)(uintptr_t)base + DEVICE_OFFSET;
  return CU_OK;
}

cu_result cuMemAddressFree(cu_device_address address, size_t size) {
  ENTER(true);
  cu_result result = CU_INVALID_VALUE;
  pthread_mutex_lock(&lock);
  for (struct range **place = &ranges; *place; place = &(*place)->next) {
    struct range *range = *place;
    if ((uint64_t)(uintptr_t)range->base + DEVICE_OFFSET != address || range->size != size || range->physical) continue;
    munmap(range->base, size);
    *place = range->next;
    free(range);
    result = CU_OK;
    break;
  }
  pthread_mutex_unlock(&lock);
  return result;
}

cu_result cuMemMap(
    cu_device_address address, size_t size, size_t offset, cu_memory_handle handle, unsigned long long flags) {
  ENTER(true);
  cu_result result = CU_INVALID_VALUE;
  struct physical *physical = (struct physical *)(uintptr_t)handle;
  pthread_mutex_lock(&lock);
  struct range *range = range_at(address);
  if (range && !range->physical && size == range->size && size == physical->size && offset == 0 && flags == 0) {
    if (mmap(range->base, size, PROT_NONE, MAP_SHARED | MAP_FIXED, physical->fd, 0) == MAP_FAILED) abort();
    range->physical = physical;
    range->is_accessible = false;
    physical->references++;
    result = CU_OK;
  }
  pthread_mutex_unlock(&lock);
  return result;
}

cu_result cuMemSetAccess(cu_device_address address, size_t size, const cu_access *access, size_t count) {
  ENTER(true);
  cu_result result = CU_INVALID_VALUE;
  pthread_mutex_lock(&lock);
  struct range *range = range_at(address);
  if (range && range->physical && size == range->size && count == 1 && access->flags == CU_ACCESS_READ_WRITE) {
    if (mprotect(range->base, size, PROT_READ | PROT_WRITE) != 0) abort();
    range->is_accessible = true;
    result = CU_OK;
  }
  pthread_mutex_unlock(&lock);
  return result;
}

cu_result cuMemUnmap(cu_device_address address, size_t size) {
  ENTER(true);
  cu_result result = CU_INVALID_VALUE;
  pthread_mutex_lock(&lock);
  struct range *range = range_at(address);
  if (range && range->physical && size == range->size) {
    if (mmap(range->base, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED) abort();
    let_go(range->physical);
    range->physical = NULL;
    result = CU_OK;
  }
  pthread_mutex_unlock(&lock);
  return result;
}

cu_result cuMemHostRegister_v2(void *base, size_t size, unsigned int flags) {
  ENTER(true);
  (void)flags;
  cu_result result = CU_OK;
  unsigned char *first = base;
  pthread_mutex_lock(&lock);
  for (struct registration *r = registrations; r; r = r->next)
    if (first < r->base + r->size && r->base < first + size) result = CU_HOST_ALREADY_REGISTERED;
  if (result == CU_OK) {
    struct registration *registration = malloc(sizeof *registration);
    if (!registration) abort();
    *registration = (struct registration){.base = first, .size = size, .next = registrations};
    registrations = registration;
  }
  pthread_mutex_unlock(&lock);
  return result;
}

cu_result cuMemHostUnregister(void *base) {
  ENTER(true);
  cu_result result = CU_HOST_NOT_REGISTERED;
  pthread_mutex_lock(&lock);
  for (struct registration **place = &registrations; *place; place = &(*place)->next) {
    struct registration *registration = *place;
    if (registration->base != (unsigned char *)base) continue;
    *place = registration->next;
    free(registration);
    result = CU_OK;
    break;
  }
  pthread_mutex_unlock(&lock);
  return result;
}
