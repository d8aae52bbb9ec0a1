// Block attention with AVX2: 6 rows x 2 vectors of sums in 12 of the 16 registers.
#include "kernels.h"

#if CK_X86
#include "vector_avx2.h"

enum { TILE_ROWS = 6 };
#include "attention_f32.h"
#include "attention_unpacked.h"

const ck_attention ck_attention_avx2 = {.pack = pack, .attend = attend, .attend_unpacked = attend_unpacked};
#endif
