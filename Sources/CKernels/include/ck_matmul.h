// Matrix products with AMX tiles: bf16 x bf16 to f32. Other levels have no kernel here; their products are oneDNN's.
#ifndef CK_MATMUL_H
#define CK_MATMUL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// Inputs and outputs of a product are multiples of this; rows are read and written up to the next multiple.
enum { CK_MATMUL_STEP = 32 };

/// Whether the level in force has tiles: the other two functions need them.
bool ck_matmul_available(void);
/// Packs `outputs` rows of `inputs` f32 weights (both multiples of CK_MATMUL_STEP), rounded to bf16, into
/// `packed`: 2 * inputs * outputs bytes, 64-byte aligned. Packs of consecutive outputs may follow one another.
void ck_matmul_pack(const float *weights, size_t inputs, size_t outputs, void *packed);
/// out[r][n] = sum over k of x[r][k] * weights[n][k], for n in 0 ..< outputs. Strides in elements. A row's result
/// depends on that row and the weights alone, not on `rows`.
void ck_matmul(const uint16_t *x, size_t x_stride, const void *packed, size_t inputs, size_t outputs, float *out,
               size_t out_stride, size_t rows);

#endif
