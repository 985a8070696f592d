// One module.
#include "rows.cu"
#include "rope.cu"
