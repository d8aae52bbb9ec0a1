// Block attention with AVX-512 in f32: 12 rows x 2 vectors of sums in 24 of the 32 registers.
#include "kernels.h"

#if CK_X86
#include "vector_avx512.h"

enum { TILE_ROWS = 12 };
#include "attention_f32.h"
#include "attention_unpacked.h"

const ck_attention ck_attention_avx512 = {.pack = pack, .attend = attend, .attend_unpacked = attend_unpacked};
#endif
