// Rows of GGUF's quantised blocks to f32.
#pragma STDC FP_CONTRACT OFF

#include "quantized_formats.h"
#include "variants.h"

static const struct {
  uint16_t elements, bytes;
} formats[] = {
    [CK_Q4_0] = {SMALL, 18}, [CK_Q4_1] = {SMALL, 20}, [CK_Q8_0] = {SMALL, 34},
    [CK_Q4_K] = {SUPER, 144}, [CK_Q6_K] = {SUPER, 210},
};

size_t ck_quant_block_elements(ck_quant q) {
  ck_require((unsigned)q <= CK_Q6_K);
  return formats[q].elements;
}

size_t ck_quant_block_bytes(ck_quant q) {
  ck_require((unsigned)q <= CK_Q6_K);
  return formats[q].bytes;
}

#define CK_DEQUANTIZE(level, target)                                                                     \
  target void ck_dequantize_##level(ck_quant q, const void *in, float *out, size_t n) {                  \
    const uint8_t *block = in;                                                                           \
    size_t elements = ck_quant_block_elements(q), bytes = ck_quant_block_bytes(q);                       \
    for (size_t i = 0; i < n; i += elements, block += bytes) {                                           \
      switch (q) {                                                                                       \
      case CK_Q4_0: q4_0(block, out + i); break;                                                         \
      case CK_Q4_1: q4_1(block, out + i); break;                                                         \
      case CK_Q8_0: q8_0(block, out + i); break;                                                         \
      case CK_Q4_K: q4_k(block, out + i); break;                                                         \
      case CK_Q6_K: q6_k(block, out + i); break;                                                         \
      }                                                                                                  \
    }                                                                                                    \
  }
CK_VARIANTS(CK_DEQUANTIZE)
