// bf16 and f16 to and from f32, one number at a time and without branches, so that loops over them vectorise. Round
// to nearest even; NaN keeps its upper payload bits and becomes quiet, as F16C does it.
#ifndef CK_NUMBER_FORMATS_H
#define CK_NUMBER_FORMATS_H

#include <stdint.h>
#include <string.h>

#define CK_INLINE static inline __attribute__((always_inline))

CK_INLINE uint32_t ck_bits(float x) {
  uint32_t b;
  memcpy(&b, &x, sizeof b);
  return b;
}

CK_INLINE float ck_float(uint32_t b) {
  float x;
  memcpy(&x, &b, sizeof x);
  return x;
}

CK_INLINE float ck_bf16_value(uint16_t h) { return ck_float((uint32_t)h << 16); }

CK_INLINE uint16_t ck_bf16_bits(float x) {
  uint32_t b = ck_bits(x);
  uint32_t rounded = (b + 0x7fffu + ((b >> 16) & 1u)) >> 16;
  uint32_t quiet = (b >> 16) | 0x40u;
  return (uint16_t)((b & 0x7fffffffu) > 0x7f800000u ? quiet : rounded);
}

// Exponents move by 112 (127 - 15). Subnormals are built as 2^-14 * (1 + mantissa) and lose the 1 in f32, exactly.
CK_INLINE float ck_f16_value(uint16_t h) {
  uint32_t sign = ((uint32_t)h & 0x8000u) << 16, magnitude = (uint32_t)h & 0x7fffu;
  uint32_t normal = (magnitude << 13) + (112u << 23);
  uint32_t subnormal = ck_bits(ck_float((magnitude << 13) + (113u << 23)) - 0x1p-14f);
  uint32_t special = (magnitude << 13) | 0x7f800000u | (magnitude > 0x7c00u ? 0x00400000u : 0u);
  uint32_t b = magnitude < 0x0400u ? subnormal : normal;
  return ck_float(sign | (magnitude >= 0x7c00u ? special : b));
}

// Values below 2^-14 are added to 0.5, whose last place is the f16 subnormal step: the addition rounds them.
CK_INLINE uint16_t ck_f16_bits(float x) {
  uint32_t b = ck_bits(x), sign = (b >> 16) & 0x8000u, magnitude = b & 0x7fffffffu;
  uint32_t normal = (magnitude + 0xfffu + ((magnitude >> 13) & 1u) - (112u << 23)) >> 13;
  uint32_t subnormal = ck_bits(ck_float(magnitude) + 0.5f) - ck_bits(0.5f);
  uint32_t finite = magnitude < (113u << 23) ? subnormal : normal;
  uint32_t nan = 0x7e00u | ((magnitude >> 13) & 0x3ffu);
  uint32_t large = magnitude > 0x7f800000u ? nan : 0x7c00u;
  return (uint16_t)(sign | (magnitude >= 0x477ff000u ? large : finite));
}

#endif
