// Vectors of f32 in AVX2, under the names that the attention templates use.
#ifndef CK_VECTOR_AVX2_H
#define CK_VECTOR_AVX2_H

#include <immintrin.h>
#include <math.h>

#include "number_formats.h"

#define CK_VECTOR_TARGET __attribute__((target("avx2,fma,f16c")))
#define CK_VECTOR_FN static inline __attribute__((always_inline)) CK_VECTOR_TARGET

typedef __m256 vf;
enum { VECTOR_LANES = 8 };

CK_VECTOR_FN __m256i vf_first(size_t n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
CK_VECTOR_FN vf vf_set1(float x) { return _mm256_set1_ps(x); }
CK_VECTOR_FN vf vf_load(const float *p) { return _mm256_loadu_ps(p); }
CK_VECTOR_FN void vf_store(float *p, vf x) { _mm256_storeu_ps(p, x); }
CK_VECTOR_FN void vf_store_first(float *p, vf x, size_t n) { _mm256_maskstore_ps(p, vf_first(n), x); }
CK_VECTOR_FN vf vf_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
CK_VECTOR_FN vf vf_add(vf a, vf b) { return _mm256_add_ps(a, b); }
CK_VECTOR_FN vf vf_mul(vf a, vf b) { return _mm256_mul_ps(a, b); }
CK_VECTOR_FN vf vf_max(vf a, vf b) { return _mm256_max_ps(a, b); }
CK_VECTOR_FN vf vf_sub(vf a, vf b) { return _mm256_sub_ps(a, b); }
CK_VECTOR_FN vf vf_div(vf a, vf b) { return _mm256_div_ps(a, b); }
CK_VECTOR_FN vf vf_magnitude(vf x) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x); }
/// The magnitude of `of` with the sign of `sign`.
CK_VECTOR_FN vf vf_with_sign(vf of, vf sign) {
  return _mm256_or_ps(vf_magnitude(of), _mm256_and_ps(sign, _mm256_set1_ps(-0.0f)));
}
/// a < b ? x : y; y where either is NaN.
CK_VECTOR_FN vf vf_where_less(vf a, vf b, vf x, vf y) {
  return _mm256_blendv_ps(y, x, _mm256_cmp_ps(a, b, _CMP_LT_OQ));
}

CK_VECTOR_FN float vf_sum(vf x) {
  __m128 half = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  half = _mm_add_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}

CK_VECTOR_FN float vf_most(vf x) {
  __m128 half = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  half = _mm_max_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_max_ss(half, _mm_movehdup_ps(half)));
}

/// The first n lanes of x, -infinity beyond them.
CK_VECTOR_FN vf vf_keep_first(vf x, size_t n) {
  return _mm256_blendv_ps(_mm256_set1_ps(-INFINITY), x, _mm256_castsi256_ps(vf_first(n)));
}

/// All but the first n lanes of x, -infinity for those.
CK_VECTOR_FN vf vf_drop_first(vf x, size_t n) {
  return _mm256_blendv_ps(x, _mm256_set1_ps(-INFINITY), _mm256_castsi256_ps(vf_first(n)));
}

/// The first n elements (at most a vector) from element i of an array of `dtype`; zero beyond them.
CK_VECTOR_FN vf vf_load_first(const void *base, ck_dtype dtype, size_t i, size_t n) {
  if (dtype == CK_F32) return _mm256_maskload_ps((const float *)base + i, vf_first(n));
  __m128i half;
  if (n >= VECTOR_LANES) {
    half = _mm_loadu_si128((const __m128i *)((const uint16_t *)base + i));
  } else {
    uint16_t elements[VECTOR_LANES] = {0};
    memcpy(elements, (const uint16_t *)base + i, n * sizeof *elements);
    half = _mm_loadu_si128((const __m128i *)elements);
  }
  if (dtype == CK_F16) return _mm256_cvtph_ps(half);
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16));
}

/// 2^x as in vector_avx512.h, with the floor put into the exponent by hand: 0 below 2^-126, NaN stays NaN, and x is
/// at most 0 where it is called.
CK_VECTOR_FN vf vf_exp2(vf x) {
  vf clamped = _mm256_max_ps(_mm256_set1_ps(-126.0f), x);
  vf whole = _mm256_floor_ps(clamped), f = _mm256_sub_ps(clamped, whole);
  vf p = _mm256_set1_ps(0x1.e975c2p-10f);
  p = vf_fma(p, f, _mm256_set1_ps(0x1.277820p-7f));
  p = vf_fma(p, f, _mm256_set1_ps(0x1.c91cf0p-5f));
  p = vf_fma(p, f, _mm256_set1_ps(0x1.ebdb56p-3f));
  p = vf_fma(p, f, _mm256_set1_ps(0x1.62e4bap-1f));
  p = vf_fma(p, f, _mm256_set1_ps(1.0f));
  __m256i exponent = _mm256_slli_epi32(_mm256_cvttps_epi32(whole), 23);
  vf scaled = _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(p), exponent));
  return _mm256_andnot_ps(_mm256_cmp_ps(x, _mm256_set1_ps(-126.0f), _CMP_LT_OQ), scaled);
}

#endif
