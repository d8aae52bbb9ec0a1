// Vectors of f32 in AVX-512, under the names that the attention templates use.
#ifndef CK_VECTOR_AVX512_H
#define CK_VECTOR_AVX512_H

#include <immintrin.h>
#include <math.h>

#include "number_formats.h"

#define CK_VECTOR_TARGET __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")))
#define CK_VECTOR_FN static inline __attribute__((always_inline)) CK_VECTOR_TARGET

typedef __m512 vf;
enum { VECTOR_LANES = 16 };

CK_VECTOR_FN __mmask16 vf_first(size_t n) { return (__mmask16)(n >= 16 ? 0xffff : (1u << n) - 1); }
CK_VECTOR_FN vf vf_set1(float x) { return _mm512_set1_ps(x); }
CK_VECTOR_FN vf vf_load(const float *p) { return _mm512_loadu_ps(p); }
CK_VECTOR_FN void vf_store(float *p, vf x) { _mm512_storeu_ps(p, x); }
CK_VECTOR_FN void vf_store_first(float *p, vf x, size_t n) { _mm512_mask_storeu_ps(p, vf_first(n), x); }
CK_VECTOR_FN vf vf_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
CK_VECTOR_FN vf vf_add(vf a, vf b) { return _mm512_add_ps(a, b); }
CK_VECTOR_FN vf vf_mul(vf a, vf b) { return _mm512_mul_ps(a, b); }
CK_VECTOR_FN vf vf_max(vf a, vf b) { return _mm512_max_ps(a, b); }
CK_VECTOR_FN vf vf_sub(vf a, vf b) { return _mm512_sub_ps(a, b); }
CK_VECTOR_FN vf vf_div(vf a, vf b) { return _mm512_div_ps(a, b); }
CK_VECTOR_FN vf vf_magnitude(vf x) { return _mm512_abs_ps(x); }
/// The magnitude of `of` with the sign of `sign`.
CK_VECTOR_FN vf vf_with_sign(vf of, vf sign) {
  return _mm512_or_ps(_mm512_abs_ps(of), _mm512_and_ps(sign, _mm512_set1_ps(-0.0f)));
}
/// a < b ? x : y; y where either is NaN.
CK_VECTOR_FN vf vf_where_less(vf a, vf b, vf x, vf y) {
  return _mm512_mask_mov_ps(y, _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), x);
}
CK_VECTOR_FN float vf_sum(vf x) { return _mm512_reduce_add_ps(x); }
CK_VECTOR_FN float vf_most(vf x) { return _mm512_reduce_max_ps(x); }

/// The first n lanes of x, -infinity beyond them.
CK_VECTOR_FN vf vf_keep_first(vf x, size_t n) { return _mm512_mask_mov_ps(_mm512_set1_ps(-INFINITY), vf_first(n), x); }

/// All but the first n lanes of x, -infinity for those.
CK_VECTOR_FN vf vf_drop_first(vf x, size_t n) { return _mm512_mask_mov_ps(x, vf_first(n), _mm512_set1_ps(-INFINITY)); }

/// The first n elements (at most a vector) from element i of an array of `dtype`; zero beyond them.
CK_VECTOR_FN vf vf_load_first(const void *base, ck_dtype dtype, size_t i, size_t n) {
  __mmask16 live = vf_first(n);
  if (dtype == CK_F32) return _mm512_maskz_loadu_ps(live, (const float *)base + i);
  __m256i half = _mm256_maskz_loadu_epi16(live, (const uint16_t *)base + i);
  if (dtype == CK_F16) return _mm512_cvtph_ps(half);
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}

/// 2^x. The fraction, 0 ..< 1, through a minimax polynomial of degree 5 (relative error 8e-8; 2^0 is 1); SCALEF takes
/// the floor of x itself, gives 0 for -infinity and lets NaN through.
CK_VECTOR_FN vf vf_exp2(vf x) {
  vf f = _mm512_reduce_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
  vf p = _mm512_set1_ps(0x1.e975c2p-10f);
  p = vf_fma(p, f, _mm512_set1_ps(0x1.277820p-7f));
  p = vf_fma(p, f, _mm512_set1_ps(0x1.c91cf0p-5f));
  p = vf_fma(p, f, _mm512_set1_ps(0x1.ebdb56p-3f));
  p = vf_fma(p, f, _mm512_set1_ps(0x1.62e4bap-1f));
  p = vf_fma(p, f, _mm512_set1_ps(1.0f));
  return _mm512_scalef_ps(p, x);
}

#endif
