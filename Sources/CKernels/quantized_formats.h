// GGUF's quantised blocks to f32, in the order of operations that the reference uses, so that the values are equal to
// it to the last bit. Layouts: https://github.com/ggml-org/ggml, "ggml-common.h" (block_q4_0 ... block_q6_K).
// Include with contraction off.
#ifndef CK_QUANTIZED_FORMATS_H
#define CK_QUANTIZED_FORMATS_H

#include "number_formats.h"

enum { SMALL = 32, SUPER = 256 };

CK_INLINE float half_at(const uint8_t *in) { return ck_f16_value((uint16_t)(in[0] | in[1] << 8)); }

// d f16, 16 bytes: element j in the low nibble of byte j, element j + 16 in the high one; biased by 8.
CK_INLINE void q4_0(const uint8_t *in, float *out) {
  float d = half_at(in);
  for (int j = 0; j < 16; j++) {
    out[j] = (float)((in[2 + j] & 15) - 8) * d;
    out[j + 16] = (float)((in[2 + j] >> 4) - 8) * d;
  }
}

// d and minimum f16, then nibbles as in Q4_0 but unbiased.
CK_INLINE void q4_1(const uint8_t *in, float *out) {
  float d = half_at(in), minimum = half_at(in + 2);
  for (int j = 0; j < 16; j++) {
    out[j] = (float)(in[4 + j] & 15) * d + minimum;
    out[j + 16] = (float)(in[4 + j] >> 4) * d + minimum;
  }
}

// d f16, then 32 signed bytes.
CK_INLINE void q8_0(const uint8_t *in, float *out) {
  float d = half_at(in);
  for (int j = 0; j < SMALL; j++) out[j] = (float)(int8_t)in[2 + j] * d;
}

// d and dmin f16; 12 bytes holding eight 6-bit (scale, minimum) pairs; 128 bytes of nibbles, 32 bytes for two runs of
// 32.
CK_INLINE void q4_k(const uint8_t *in, float *out) {
  float d = half_at(in), dmin = half_at(in + 2);
  const uint8_t *packed = in + 4, *nibbles = in + 16;
  for (int run = 0; run < 8; run++) {
    int scale, minimum;
    if (run < 4) {
      scale = packed[run] & 63;
      minimum = packed[run + 4] & 63;
    } else {
      scale = (packed[run + 4] & 15) | (packed[run - 4] >> 6) << 4;
      minimum = packed[run + 4] >> 4 | (packed[run] >> 6) << 4;
    }
    float step = d * (float)scale, floor = dmin * (float)minimum;
    int shift = run % 2 * 4;
    for (int j = 0; j < 32; j++)
      out[run * 32 + j] = step * (float)(nibbles[run / 2 * 32 + j] >> shift & 15) - floor;
  }
}

// 128 bytes of low nibbles, 64 bytes of high bit pairs, 16 signed scales, d f16. Each half of 128 elements is four
// runs of 32: run r takes nibbles r / 2 of bytes r % 2 * 32 + j, and bit pair r of byte j; biased by 32; a scale per
// 16.
CK_INLINE void q6_k(const uint8_t *in, float *out) {
  float d = half_at(in + 208);
  for (int run = 0; run < 8; run++) {
    int half = run / 4, r = run % 4;
    const uint8_t *low = in + half * 64 + r % 2 * 32, *high = in + 128 + half * 32;
    for (int part = 0; part < 2; part++) {
      float step = d * (float)(int8_t)in[192 + half * 8 + r * 2 + part];
      for (int j = part * 16; j < part * 16 + 16; j++) {
        int q = (low[j] >> (r / 2 * 4) & 15) | (high[j] >> (r * 2) & 3) << 4;
        out[run * 32 + j] = step * (float)(q - 32);
      }
    }
  }
}

#endif
