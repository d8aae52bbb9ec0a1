// Holds cuda_abi.h against the toolkit's own header, where there is one: each function has the type that is declared here,
// each constant its value, each structure its layout. It makes no code.
#include "cuda_abi.h"

#if __has_include(<cuda.h>)
#include <cuda.h>

#define SAME_VALUE(ours, theirs) _Static_assert((int)(ours) == (int)(theirs), #theirs)
SAME_VALUE(CU_OK, CUDA_SUCCESS);
SAME_VALUE(CU_INVALID_VALUE, CUDA_ERROR_INVALID_VALUE);
SAME_VALUE(CU_OUT_OF_MEMORY, CUDA_ERROR_OUT_OF_MEMORY);
SAME_VALUE(CU_NOT_INITIALIZED, CUDA_ERROR_NOT_INITIALIZED);
SAME_VALUE(CU_NO_DEVICE, CUDA_ERROR_NO_DEVICE);
SAME_VALUE(CU_INVALID_DEVICE, CUDA_ERROR_INVALID_DEVICE);
SAME_VALUE(CU_INVALID_CONTEXT, CUDA_ERROR_INVALID_CONTEXT);
SAME_VALUE(CU_INVALID_HANDLE, CUDA_ERROR_INVALID_HANDLE);
SAME_VALUE(CU_NOT_FOUND, CUDA_ERROR_NOT_FOUND);
SAME_VALUE(CU_NOT_READY, CUDA_ERROR_NOT_READY);
SAME_VALUE(CU_ILLEGAL_ADDRESS, CUDA_ERROR_ILLEGAL_ADDRESS);
SAME_VALUE(CU_HOST_ALREADY_REGISTERED, CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED);
SAME_VALUE(CU_HOST_NOT_REGISTERED, CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED);
SAME_VALUE(CU_NOT_SUPPORTED, CUDA_ERROR_NOT_SUPPORTED);
SAME_VALUE(CU_UNKNOWN, CUDA_ERROR_UNKNOWN);
SAME_VALUE(CU_ATTRIBUTE_PCI_BUS, CU_DEVICE_ATTRIBUTE_PCI_BUS_ID);
SAME_VALUE(CU_ATTRIBUTE_PCI_DEVICE, CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID);
SAME_VALUE(CU_ATTRIBUTE_PCI_DOMAIN, CU_DEVICE_ATTRIBUTE_PCI_DOMAIN_ID);
SAME_VALUE(CU_ATTRIBUTE_VIRTUAL_MEMORY, CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED);
SAME_VALUE(CU_ATTRIBUTE_POSIX_DESCRIPTORS, CU_DEVICE_ATTRIBUTE_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR_SUPPORTED);
SAME_VALUE(CU_ALLOCATION_PINNED, CU_MEM_ALLOCATION_TYPE_PINNED);
SAME_VALUE(CU_HANDLE_POSIX_DESCRIPTOR, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR);
SAME_VALUE(CU_LOCATION_DEVICE, CU_MEM_LOCATION_TYPE_DEVICE);
SAME_VALUE(CU_ACCESS_READ_WRITE, CU_MEM_ACCESS_FLAGS_PROT_READWRITE);
SAME_VALUE(CU_GRANULARITY_MINIMUM, CU_MEM_ALLOC_GRANULARITY_MINIMUM);
SAME_VALUE(CU_STREAM_APART_FROM_DEFAULT, CU_STREAM_NON_BLOCKING);
SAME_VALUE(CU_EVENT_WITHOUT_TIMING, CU_EVENT_DISABLE_TIMING);
SAME_VALUE(CU_REGISTER_PORTABLE, CU_MEMHOSTREGISTER_PORTABLE);

#define SAME_PLACE(ours, our_field, theirs, their_field) \
  _Static_assert(offsetof(ours, our_field) == offsetof(theirs, their_field), #their_field)
_Static_assert(sizeof(cu_uuid) == sizeof(CUuuid), "CUuuid");
_Static_assert(sizeof(cu_location) == sizeof(CUmemLocation), "CUmemLocation");
_Static_assert(sizeof(cu_allocation_properties) == sizeof(CUmemAllocationProp), "CUmemAllocationProp");
_Static_assert(sizeof(cu_access) == sizeof(CUmemAccessDesc), "CUmemAccessDesc");
_Static_assert(sizeof(cu_memory_handle) == sizeof(CUmemGenericAllocationHandle), "CUmemGenericAllocationHandle");
_Static_assert(sizeof(cu_device_address) == sizeof(CUdeviceptr), "CUdeviceptr");
_Static_assert(sizeof(cu_device) == sizeof(CUdevice), "CUdevice");
SAME_PLACE(cu_location, id, CUmemLocation, id);
SAME_PLACE(cu_allocation_properties, requested_handle_types, CUmemAllocationProp, requestedHandleTypes);
SAME_PLACE(cu_allocation_properties, location, CUmemAllocationProp, location);
SAME_PLACE(cu_access, flags, CUmemAccessDesc, flags);
#endif
