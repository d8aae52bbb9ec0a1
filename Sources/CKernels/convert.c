// Conversions between f32 and the 16-bit formats. The bodies are integer arithmetic, exact at every level, subnormals
// included (VCVTNEPS2BF16 would flush them). Where the machine has F16C its instruction does the f16 ones.
#include "number_formats.h"
#include "variants.h"

#if CK_X86
#include <immintrin.h>
#endif

#define CK_CONVERT(level, target)                                                       \
  target void ck_f32_to_bf16_##level(const float *in, uint16_t *out, size_t n) {        \
    for (size_t i = 0; i < n; i++) out[i] = ck_bf16_bits(in[i]);                        \
  }                                                                                     \
  target void ck_bf16_to_f32_##level(const uint16_t *in, float *out, size_t n) {        \
    for (size_t i = 0; i < n; i++) out[i] = ck_bf16_value(in[i]);                       \
  }
CK_VARIANTS(CK_CONVERT)

void ck_f32_to_f16_scalar(const float *in, uint16_t *out, size_t n) {
  for (size_t i = 0; i < n; i++) out[i] = ck_f16_bits(in[i]);
}

void ck_f16_to_f32_scalar(const uint16_t *in, float *out, size_t n) {
  for (size_t i = 0; i < n; i++) out[i] = ck_f16_value(in[i]);
}

#if CK_X86

CK_TARGET_AVX2 void ck_f32_to_f16_avx2(const float *in, uint16_t *out, size_t n) {
  size_t i = 0;
  for (; i + 8 <= n; i += 8)
    _mm_storeu_si128((__m128i *)(out + i), _mm256_cvtps_ph(_mm256_loadu_ps(in + i), _MM_FROUND_TO_NEAREST_INT));
  for (; i < n; i++) out[i] = ck_f16_bits(in[i]);
}

CK_TARGET_AVX2 void ck_f16_to_f32_avx2(const uint16_t *in, float *out, size_t n) {
  size_t i = 0;
  for (; i + 8 <= n; i += 8) _mm256_storeu_ps(out + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(in + i))));
  for (; i < n; i++) out[i] = ck_f16_value(in[i]);
}

CK_TARGET_AVX512 void ck_f32_to_f16_avx512(const float *in, uint16_t *out, size_t n) {
  for (size_t i = 0; i < n; i += 16) {
    __mmask16 live = (__mmask16)(n - i >= 16 ? 0xffff : (1u << (n - i)) - 1);
    __m512 x = _mm512_maskz_loadu_ps(live, in + i);
    _mm256_mask_storeu_epi16(out + i, live, _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
  }
}

CK_TARGET_AVX512 void ck_f16_to_f32_avx512(const uint16_t *in, float *out, size_t n) {
  for (size_t i = 0; i < n; i += 16) {
    __mmask16 live = (__mmask16)(n - i >= 16 ? 0xffff : (1u << (n - i)) - 1);
    _mm512_mask_storeu_ps(out + i, live, _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(live, in + i)));
  }
}

#endif
