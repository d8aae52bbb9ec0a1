// Public entry points of block attention: they check what every level relies on.
#include "attention.h"

static void require_valid(const ck_attend_args *args) {
  ck_require((unsigned)args->dtype <= CK_F16);
  ck_require(args->head_dim > 0 && args->head_dim <= CK_MAX_HEAD_DIM && args->head_dim % 2 == 0);
  ck_require(args->tokens > 0 && args->tokens <= CK_MAX_TOKENS);
}

static void require_valid_rows(const ck_attend_args *args) {
  require_valid(args);
  ck_require(args->q_stride >= args->head_dim || args->rows <= 1);
  ck_require(args->scale > 0 && args->scale <= 3.0e38f);
  ck_require(args->soft_cap >= 0 && args->soft_cap <= 3.0e38f);
}

// The widest layout of any level, f32 with tokens and head_dim padded to 32, so that the cap may change in between.
size_t ck_attend_scratch_bytes(ck_dtype dtype, size_t head_dim, size_t tokens) {
  ck_require((unsigned)dtype <= CK_F16);
  ck_require(head_dim > 0 && head_dim <= CK_MAX_HEAD_DIM && head_dim % 2 == 0);
  ck_require(tokens > 0 && tokens <= CK_MAX_TOKENS);
  return 2 * ck_round_up(tokens, 32) * ck_round_up(head_dim, 32) * sizeof(float);
}

void ck_pack_block(const ck_attend_args *args, void *scratch) {
  require_valid(args);
  ck_require((uintptr_t)scratch % 64 == 0);
  ck_active_attention(args->dtype)->pack(args, scratch);
}

void ck_attend_block(const ck_attend_args *args, void *scratch) {
  require_valid_rows(args);
  ck_require((uintptr_t)scratch % 64 == 0);
  ck_active_attention(args->dtype)->attend(args, scratch);
}

void ck_attend_block_unpacked(const ck_attend_args *args) {
  require_valid_rows(args);
  ck_active_attention(args->dtype)->attend_unpacked(args);
}
