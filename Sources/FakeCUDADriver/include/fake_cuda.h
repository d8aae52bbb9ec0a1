// A CUDA driver for tests: the functions that CUDADriver calls, with host memory behind them. What it keeps to, as the real
// one does: memory is cleared, on the null stream, while the caller goes on; physical memory, addresses and access are apart; memory is shared by descriptors; streams are ordered and run on
// threads of their own; events end when what was recorded before them has; a thread without a context gets an error; after
// some errors every later call fails. A device address is no address of the host: reading it there is a SIGSEGV.
//
// Its behaviour comes from the environment, once, at cuInit:
//
//   FAKE_CUDA_DEVICES=2          devices; 1 where not said
//   FAKE_CUDA_MEMORY=268435456   bytes of each; 1 GiB
//   FAKE_CUDA_GRANULARITY=65536  2 MiB, as real ones have
//   FAKE_CUDA_DELAY_US=500       each copy takes up to so much longer, by a seeded draw
//   FAKE_CUDA_VERSION=10010      what cuDriverGetVersion says
//   FAKE_CUDA_FAIL=cuMemCreate:3:2,cuEventQuery:100:999
//                                after so many calls of a function every one more fails with this error
#ifndef TIERD_FAKE_CUDA_H
#define TIERD_FAKE_CUDA_H

// As FAKE_CUDA_FAIL, at any time: once `calls` more calls of `function` have succeeded, `failures` of them fail with `code`.
// A negative number of failures is for ever. Calls = failures = 0 takes it back.
void fake_cuda_fail(const char *function, int calls, int failures, int code);

// Bytes of physical memory that exist in this process, and copies begun by it.
unsigned long long fake_cuda_allocated_bytes(void);
unsigned long long fake_cuda_copies(void);
// Host bytes registered now.
unsigned long long fake_cuda_registered_bytes(void);

#endif
