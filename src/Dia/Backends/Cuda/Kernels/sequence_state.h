// One sequence that is being generated: settings, progress, and where its results go. Mirrors src/Dia/Backends/Cuda/SequenceState.cs
// (the meaning of each member is told there).
#ifndef DIA_SEQUENCE_STATE_H
#define DIA_SEQUENCE_STATE_H

#include "device.h"

struct SequenceState
{
    double topP;
    u64 seed;
    const int* forced;
    const int* delays;
    int* ring;
    u64* progress;
    u64 ended;
    float guidanceScale;
    float temperature;
    int topK;
    int doSample;
    int useGuidance;
    int eos;
    int pad;
    int rowLimit;
    int maxDelay;
    int drawItem;
    int inputRows;
    int ringRows;
    int rowCount;
    int generated;
    int stepsSinceEnd;
    int finished;
    int conditionalRow;
    int unconditionalRow;
};

static_assert(sizeof(SequenceState) == 128, "as the C# struct");

// What sample_rows hands to advance, per place and channel. Mirrored by size only.
struct Pick
{
    int best;
    int drawn;
    int faults;
    int unused;
};

#endif
