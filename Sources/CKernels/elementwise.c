// What a transformer layer does between its matrix products. Bits are the same at every level: sums run in sixteen
// lanes whatever the vector width, and contraction is off.
#include "number_formats.h"
#include "variants.h"

#pragma STDC FP_CONTRACT OFF

enum { LANES = 16 };

CK_INLINE void store_row(const float *row, void *out, ck_dtype dtype, size_t at, size_t n) {
  switch (dtype) {
  case CK_F32: memcpy((float *)out + at, row, n * sizeof *row); break;
  case CK_BF16:
    for (size_t i = 0; i < n; i++) ((uint16_t *)out)[at + i] = ck_bf16_bits(row[i]);
    break;
  case CK_F16:
    for (size_t i = 0; i < n; i++) ((uint16_t *)out)[at + i] = ck_f16_bits(row[i]);
    break;
  }
}

CK_INLINE float sum_of_squares(const float *x, size_t n) {
  float lane[LANES] = {0};
  size_t i = 0;
  for (; i + LANES <= n; i += LANES)
    for (int j = 0; j < LANES; j++) lane[j] += x[i + j] * x[i + j];
  for (int j = 0; i < n; i++, j++) lane[j] += x[i] * x[i];
  for (int width = LANES / 2; width > 0; width /= 2)
    for (int j = 0; j < width; j++) lane[j] += lane[j + width];
  return lane[0];
}

// Results pass through a small buffer, so that one loop computes and another converts; both vectorise.
enum { BUFFER = 256 };

CK_INLINE void rms_norm(const float *x, const float *weight, float eps, void *out, ck_dtype dtype, size_t rows,
                        size_t n) {
  float buffer[BUFFER];
  for (size_t r = 0; r < rows; r++, x += n) {
    float inverse = 1.0f / __builtin_sqrtf(sum_of_squares(x, n) / (float)n + eps);
    for (size_t i = 0; i < n; i += BUFFER) {
      size_t run = ck_min(BUFFER, n - i);
      for (size_t j = 0; j < run; j++) buffer[j] = x[i + j] * inverse * weight[i + j];
      store_row(buffer, out, dtype, r * n + i, run);
    }
  }
}

CK_INLINE void rope(float *x, const float *cos, const float *sin, size_t rows, size_t heads, size_t head_dim) {
  size_t half = head_dim / 2;
  for (size_t r = 0; r < rows; r++, cos += half, sin += half) {
    for (size_t h = 0; h < heads; h++, x += head_dim) {
      for (size_t i = 0; i < half; i++) {
        float a = x[i], b = x[i + half];
        x[i] = a * cos[i] - b * sin[i];
        x[i + half] = b * cos[i] + a * sin[i];
      }
    }
  }
}

// 2^(x log2 e): the whole part goes into the exponent by way of the last bits of x + 1.5 * 2^23, the rest (-0.5 ...
// 0.5) through a minimax polynomial of degree 6 (relative error 2e-9). Clamped to 2^-126 ... 2^126.
CK_INLINE float exponential(float x) {
  float y = x * 0x1.715476p+0f;
  y = y < -126.0f ? -126.0f : y;
  y = y > 126.0f ? 126.0f : y;
  float shifted = y + 0x1.8p+23f, whole = shifted - 0x1.8p+23f;
  // The part of x log2 e that y's rounding lost would cost |x| last places: take the remainder from x itself.
  float f = x - whole * 0x1.62e4p-1f;
  f = (f - whole * 0x1.7f7d1cp-20f) * 0x1.715476p+0f;
  f = y == -126.0f || y == 126.0f ? 0.0f : f;
  float p = 0x1.41fbc8p-13f;
  p = p * f + 0x1.5f3e58p-10f;
  p = p * f + 0x1.3b2d4cp-7f;
  p = p * f + 0x1.c6aee8p-5f;
  p = p * f + 0x1.ebfbdcp-3f;
  p = p * f + 0x1.62e430p-1f;
  p = p * f + 1.0f;
  float scaled = ck_float(ck_bits(p) + (ck_bits(shifted) << 23));
  return x == x ? scaled : x;
}

CK_INLINE void silu_mul(const float *gate, const float *up, size_t in_stride, void *out, ck_dtype dtype, size_t rows,
                        size_t n) {
  float buffer[BUFFER];
  for (size_t r = 0; r < rows; r++, gate += in_stride, up += in_stride) {
    for (size_t i = 0; i < n; i += BUFFER) {
      size_t run = ck_min(BUFFER, n - i);
      for (size_t j = 0; j < run; j++) buffer[j] = gate[i + j] / (1.0f + exponential(-gate[i + j])) * up[i + j];
      store_row(buffer, out, dtype, r * n + i, run);
    }
  }
}

// (1 - e) / (1 + e) with e = exp(-2 |x|), which loses to cancellation what |x| below 1 / 16 would have: there, the first
// terms of the series (error of the first left out: 62 x^8 / 2835, under 6e-12 relative).
CK_INLINE float hyperbolic_tangent(float x) {
  float magnitude = ck_float(ck_bits(x) & 0x7fffffffu), square = x * x;
  float e = exponential(-2.0f * magnitude);
  float large = ck_float(ck_bits((1.0f - e) / (1.0f + e)) | (ck_bits(x) & 0x80000000u));
  float series = 1.0f - square * (0x1.555556p-2f - square * (0x1.111112p-3f - square * 0x1.ba1ba2p-5f));
  float result = magnitude < 0.0625f ? x * series : large;
  return x == x ? result : x;
}

CK_INLINE float gelu_tanh(float x) {
  float inner = 0x1.988454p-1f * (x + 0x1.6e4e26p-5f * x * x * x);
  return 0.5f * x * (1.0f + hyperbolic_tangent(inner));
}

CK_INLINE void gelu_tanh_mul(const float *gate, const float *up, size_t in_stride, void *out, ck_dtype dtype,
                             size_t rows, size_t n) {
  float buffer[BUFFER];
  for (size_t r = 0; r < rows; r++, gate += in_stride, up += in_stride) {
    for (size_t i = 0; i < n; i += BUFFER) {
      size_t run = ck_min(BUFFER, n - i);
      for (size_t j = 0; j < run; j++) buffer[j] = gelu_tanh(gate[i + j]) * up[i + j];
      store_row(buffer, out, dtype, r * n + i, run);
    }
  }
}

CK_INLINE void attend_finish(const float *o, const float *l, size_t rows, size_t head_dim, void *out, ck_dtype dtype,
                             size_t out_stride) {
  float buffer[BUFFER];
  for (size_t r = 0; r < rows; r++, o += head_dim) {
    for (size_t i = 0; i < head_dim; i += BUFFER) {
      size_t run = ck_min(BUFFER, head_dim - i);
      for (size_t j = 0; j < run; j++) buffer[j] = o[i + j] / l[r];
      store_row(buffer, out, dtype, r * out_stride + i, run);
    }
  }
}

#define CK_ELEMENTWISE(level, target)                                                                                 \
  target void ck_rms_norm_##level(const float *x, const float *weight, float eps, void *out, ck_dtype dtype,          \
                                  size_t rows, size_t n) {                                                            \
    rms_norm(x, weight, eps, out, dtype, rows, n);                                                                    \
  }                                                                                                                   \
  target void ck_rope_##level(float *x, const float *cos, const float *sin, size_t rows, size_t heads,                \
                              size_t head_dim) {                                                                      \
    rope(x, cos, sin, rows, heads, head_dim);                                                                         \
  }                                                                                                                   \
  target void ck_silu_mul_##level(const float *gate, const float *up, size_t in_stride, void *out, ck_dtype dtype,    \
                                  size_t rows, size_t n) {                                                            \
    silu_mul(gate, up, in_stride, out, dtype, rows, n);                                                               \
  }                                                                                                                   \
  target void ck_gelu_tanh_mul_##level(const float *gate, const float *up, size_t in_stride, void *out,               \
                                       ck_dtype dtype, size_t rows, size_t n) {                                       \
    gelu_tanh_mul(gate, up, in_stride, out, dtype, rows, n);                                                          \
  }                                                                                                                   \
  target void ck_scale_##level(float *x, float factor, size_t n) {                                                    \
    for (size_t i = 0; i < n; i++) x[i] *= factor;                                                                    \
  }                                                                                                                   \
  target void ck_soft_cap_##level(float *x, float cap, size_t n) {                                                    \
    for (size_t i = 0; i < n; i++) x[i] = cap * hyperbolic_tangent(x[i] / cap);                                       \
  }                                                                                                                   \
  target void ck_add_##level(float *x, const float *y, size_t n) {                                                    \
    for (size_t i = 0; i < n; i++) x[i] += y[i];                                                                      \
  }                                                                                                                   \
  target void ck_attend_finish_##level(const float *o, const float *l, size_t rows, size_t head_dim, void *out,       \
                                       ck_dtype dtype, size_t out_stride) {                                           \
    attend_finish(o, l, rows, head_dim, out, dtype, out_stride);                                                      \
  }
CK_VARIANTS(CK_ELEMENTWISE)
