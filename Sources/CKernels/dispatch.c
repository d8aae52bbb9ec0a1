// Finds the best level this machine has, once, and hands out the kernels of the level in force.
#define _DEFAULT_SOURCE  // syscall(2)

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels.h"

#if CK_X86 && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

#if CK_X86

// arch_prctl(2), "ARCH_REQ_XCOMP_PERM": tile data is state 18, and is granted to a process only when asked for.
static bool amx_granted(void) {
#if defined(__linux__)
  enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
  return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
#else
  return false;
#endif
}

static ck_level detect(void) {
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !__builtin_cpu_supports("f16c"))
    return CK_SCALAR;
  if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
      !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl"))
    return CK_AVX2;
  if (!__builtin_cpu_supports("avx512bf16")) return CK_AVX512;
  if (!__builtin_cpu_supports("amx-tile") || !__builtin_cpu_supports("amx-bf16") || !amx_granted())
    // VDPBF16PS doubles the rate of f32 on AMD. On Sapphire Rapids it issues every other cycle: half the rate of f32.
    return __builtin_cpu_is("intel") ? CK_AVX512 : CK_AVX512_BF16;
  return CK_AMX_BF16;
}

#else

static ck_level detect(void) { return CK_SCALAR; }

#endif

// Both are written with values every thread would agree on, or by tests: no order is needed.
static atomic_int best_level = -1;
static atomic_int level_cap = CK_AMX_BF16;

// For measurements, as ONEDNN_MAX_CPU_ISA is: what would a machine without this instruction set do?
static ck_level level_allowed(ck_level best) {
  static const char *const names[] = {"scalar", "avx2", "avx512", "avx512_bf16", "amx_bf16"};
  const char *cap = getenv("CK_MAX_CPU_ISA");
  if (!cap) return best;
  for (int level = CK_SCALAR; level <= CK_AMX_BF16; level++)
    if (strcmp(cap, names[level]) == 0) return level < (int)best ? (ck_level)level : best;
  fprintf(stderr, "CK_MAX_CPU_ISA=%s is ignored: scalar, avx2, avx512, avx512_bf16 and amx_bf16 are known\n", cap);
  return best;
}

ck_level ck_best_level(void) {
  int best = atomic_load_explicit(&best_level, memory_order_relaxed);
  if (best < 0) {
    best = level_allowed(detect());
    atomic_store_explicit(&best_level, best, memory_order_relaxed);
  }
  return (ck_level)best;
}

ck_level ck_get_level(void) {
  ck_level best = ck_best_level();
  int cap = atomic_load_explicit(&level_cap, memory_order_relaxed);
  return cap < (int)best ? (ck_level)cap : best;
}

void ck_set_level(ck_level cap) {
  ck_require(cap >= CK_SCALAR && cap <= CK_AMX_BF16);
  atomic_store_explicit(&level_cap, (int)cap, memory_order_relaxed);
}

const char *ck_level_name(ck_level level) {
  static const char *const names[] = {"scalar", "AVX2", "AVX-512", "AVX512-BF16", "AMX-BF16"};
  return level >= CK_SCALAR && level <= CK_AMX_BF16 ? names[level] : "unknown";
}

const ck_kernels *ck_active_kernels(void) {
  switch (ck_get_level()) {
#if CK_X86
  case CK_AMX_BF16:
  case CK_AVX512_BF16:
  case CK_AVX512: return &ck_kernels_avx512;
  case CK_AVX2: return &ck_kernels_avx2;
#endif
  default: return &ck_kernels_scalar;
  }
}

const ck_attention *ck_active_attention(ck_dtype dtype) {
  ck_level level = ck_get_level();
  if (dtype != CK_BF16 && level > CK_AVX512) level = CK_AVX512;
  switch (level) {
#if CK_X86
  case CK_AMX_BF16: return &ck_attention_amx;
  case CK_AVX512_BF16: return &ck_attention_avx512bf16;
  case CK_AVX512: return &ck_attention_avx512;
  case CK_AVX2: return &ck_attention_avx2;
#endif
  default: return &ck_attention_scalar;
  }
}
