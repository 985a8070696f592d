// One module.
#include "rows.cu"
#include "rope.cu"
#include "step_linear.cu"
#include "product_f32.cu"
#include "product_mma.cu"
#include "attention.cu"
#include "block_attention.cu"
#include "sampler.cu"
