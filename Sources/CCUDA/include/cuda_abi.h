// The part of the CUDA driver's binary interface that tierd calls: types, constants, and the type of each function. No
// header of the toolkit is needed to build, and no library to link: libcuda.so.1 is opened at run time (CUDADriver).
//
// Source: NVIDIA's CUDA Driver API reference (types and functions of the 12.x series). Names with _v2 are the symbols
// that the current headers map the plain names to. Where the toolkit is installed abi_check.c holds all of it against cuda.h:
//
//   cc -std=c17 -fsyntax-only -I Sources/CCUDA/include -I /usr/local/cuda/include Sources/CCUDA/abi_check.c
#ifndef TIERD_CUDA_ABI_H
#define TIERD_CUDA_ABI_H

#include <stddef.h>
#include <stdint.h>

typedef int cu_result;
typedef int cu_device;
typedef uint64_t cu_device_address;
typedef struct cu_context_s *cu_context;
typedef struct cu_stream_s *cu_stream;
typedef struct cu_event_s *cu_event;
typedef struct cu_module_s *cu_module;
typedef struct cu_function_s *cu_function;
typedef unsigned long long cu_memory_handle;

#define CU_OK 0
#define CU_INVALID_VALUE 1
#define CU_OUT_OF_MEMORY 2
#define CU_NOT_INITIALIZED 3
#define CU_NO_DEVICE 100
#define CU_INVALID_DEVICE 101
#define CU_INVALID_CONTEXT 201
#define CU_INVALID_HANDLE 400
#define CU_NOT_FOUND 500
#define CU_NOT_READY 600
#define CU_ILLEGAL_ADDRESS 700
#define CU_HOST_ALREADY_REGISTERED 712
#define CU_HOST_NOT_REGISTERED 713
#define CU_NOT_SUPPORTED 801
#define CU_UNKNOWN 999

#define CU_ATTRIBUTE_PCI_BUS 33
#define CU_ATTRIBUTE_PCI_DEVICE 34
#define CU_ATTRIBUTE_PCI_DOMAIN 50
#define CU_ATTRIBUTE_VIRTUAL_MEMORY 102
#define CU_ATTRIBUTE_POSIX_DESCRIPTORS 103

#define CU_ALLOCATION_PINNED 1
#define CU_HANDLE_POSIX_DESCRIPTOR 1
#define CU_LOCATION_DEVICE 1
#define CU_ACCESS_READ_WRITE 3
#define CU_GRANULARITY_MINIMUM 0
#define CU_STREAM_APART_FROM_DEFAULT 1
#define CU_EVENT_WITHOUT_TIMING 2
#define CU_REGISTER_PORTABLE 1

typedef struct {
  char bytes[16];
} cu_uuid;

typedef struct {
  int type;
  int id;
} cu_location;

typedef struct {
  int type;
  int requested_handle_types;
  cu_location location;
  void *win32_handle_metadata;
  struct {
    unsigned char compression_type;
    unsigned char rdma_capable;
    unsigned short usage;
    unsigned char reserved[4];
  } flags;
} cu_allocation_properties;

typedef struct {
  cu_location location;
  int flags;
} cu_access;

_Static_assert(sizeof(cu_uuid) == 16, "CUuuid");
_Static_assert(sizeof(cu_allocation_properties) == 32, "CUmemAllocationProp");
_Static_assert(offsetof(cu_allocation_properties, location) == 8, "CUmemAllocationProp.location");
_Static_assert(sizeof(cu_access) == 12, "CUmemAccessDesc");

typedef cu_result (*cu_init_fn)(unsigned int flags);
typedef cu_result (*cu_driver_get_version_fn)(int *version);
typedef cu_result (*cu_get_error_text_fn)(cu_result error, const char **text);
typedef cu_result (*cu_device_get_count_fn)(int *count);
typedef cu_result (*cu_device_get_fn)(cu_device *device, int ordinal);
typedef cu_result (*cu_device_get_name_fn)(char *name, int size, cu_device device);
typedef cu_result (*cu_device_get_uuid_fn)(cu_uuid *uuid, cu_device device);
typedef cu_result (*cu_device_get_attribute_fn)(int *value, int attribute, cu_device device);
typedef cu_result (*cu_device_total_memory_fn)(size_t *bytes, cu_device device);
typedef cu_result (*cu_primary_context_retain_fn)(cu_context *context, cu_device device);
typedef cu_result (*cu_primary_context_release_fn)(cu_device device);
typedef cu_result (*cu_context_set_current_fn)(cu_context context);
typedef cu_result (*cu_memory_info_fn)(size_t *free, size_t *total);
typedef cu_result (*cu_granularity_fn)(size_t *bytes, const cu_allocation_properties *properties, int option);
typedef cu_result (*cu_memory_create_fn)(
    cu_memory_handle *handle, size_t size, const cu_allocation_properties *properties, unsigned long long flags);
typedef cu_result (*cu_memory_release_fn)(cu_memory_handle handle);
typedef cu_result (*cu_address_reserve_fn)(
    cu_device_address *address, size_t size, size_t alignment, cu_device_address wanted, unsigned long long flags);
typedef cu_result (*cu_address_free_fn)(cu_device_address address, size_t size);
typedef cu_result (*cu_memory_map_fn)(
    cu_device_address address, size_t size, size_t offset, cu_memory_handle handle, unsigned long long flags);
typedef cu_result (*cu_memory_unmap_fn)(cu_device_address address, size_t size);
typedef cu_result (*cu_set_access_fn)(cu_device_address address, size_t size, const cu_access *access, size_t count);
typedef cu_result (*cu_export_fn)(void *descriptor, cu_memory_handle handle, int type, unsigned long long flags);
typedef cu_result (*cu_import_fn)(cu_memory_handle *handle, void *descriptor, int type);
typedef cu_result (*cu_host_register_fn)(void *base, size_t size, unsigned int flags);
typedef cu_result (*cu_host_unregister_fn)(void *base);
typedef cu_result (*cu_copy_to_device_fn)(cu_device_address to, const void *from, size_t size);
typedef cu_result (*cu_copy_to_host_fn)(void *to, cu_device_address from, size_t size);
typedef cu_result (*cu_copy_to_device_async_fn)(cu_device_address to, const void *from, size_t size, cu_stream stream);
typedef cu_result (*cu_copy_to_host_async_fn)(void *to, cu_device_address from, size_t size, cu_stream stream);
typedef cu_result (*cu_fill_fn)(cu_device_address to, unsigned char value, size_t count);
typedef cu_result (*cu_stream_create_fn)(cu_stream *stream, unsigned int flags);
typedef cu_result (*cu_stream_fn)(cu_stream stream);
typedef cu_result (*cu_event_create_fn)(cu_event *event, unsigned int flags);
typedef cu_result (*cu_event_fn)(cu_event event);
typedef cu_result (*cu_event_record_fn)(cu_event event, cu_stream stream);
typedef cu_result (*cu_module_load_fn)(cu_module *module, const void *image);
typedef cu_result (*cu_module_function_fn)(cu_function *function, cu_module module, const char *name);
typedef cu_result (*cu_launch_fn)(
    cu_function function, unsigned int grid_x, unsigned int grid_y, unsigned int grid_z, unsigned int block_x,
    unsigned int block_y, unsigned int block_z, unsigned int shared_bytes, cu_stream stream, void **parameters,
    void **extra);

// dlopen with what a driver needs: its symbols stay local, all are resolved now. NULL where it cannot be had, and
// `why` points to the loader's words then, valid until its next call on this thread.
void *tierd_open_library(const char *path, const char **why);
void *tierd_find_symbol(void *library, const char *name);

#endif
