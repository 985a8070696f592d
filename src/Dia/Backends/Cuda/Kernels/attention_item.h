// Mirrors src/Dia/Backends/AttentionItem.cs.
#ifndef DIA_ATTENTION_ITEM_H
#define DIA_ATTENTION_ITEM_H

#include "device.h"

struct AttentionItem
{
    int firstRow;
    int rows;
    float* keys;
    float* values;
    i64 layerStride;
    int keyCount;
    int causalStart;
    const u8* mask;
};

static_assert(sizeof(AttentionItem) == 48, "as the C# struct");

// Whether the item's query row sees a key.
INLINE bool sees(const AttentionItem& item, int row, int key)
{
    return (!item.mask || global(item.mask)[key]) && (item.causalStart < 0 || key <= item.causalStart + row);
}

#endif
