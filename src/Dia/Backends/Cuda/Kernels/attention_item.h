// What an attention item (shared.h) says of its keys.
#ifndef DIA_ATTENTION_ITEM_H
#define DIA_ATTENTION_ITEM_H

#include "device.h"

// Whether the item's query row sees a key.
INLINE bool sees(const AttentionItem& item, int row, int key)
{
    return (!item.mask || global(item.mask)[key]) && (item.causalStart < 0 || key <= item.causalStart + row);
}

#endif
