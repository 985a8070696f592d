// What the kernels share with C#, where it is told: Backends/Cuda/KernelConstants.cs, and the types of the same names. A test makes this file:
// DIA_UPDATE_BASELINES=1 dotnet test tests/Dia.Cuda.Tests --filter SharedHeader
#ifndef DIA_SHARED_H
#define DIA_SHARED_H

constexpr int RowThreads = 256;
constexpr int RopeThreads = 128;
constexpr int StepOutputs = 4;
constexpr int StepWarpValues = 256;
constexpr int MaxStepWarps = 8;
constexpr int ProductTile = 64;
constexpr int ProductThreads = 128;
constexpr int MaxHeadDim = 256;
constexpr int PieceKeys = 64;
constexpr int PieceHeads = 4;
constexpr int PieceThreads = 256;
constexpr int QueryTile = 16;
constexpr int KeyTile = 32;
constexpr int BlockThreads = 128;
constexpr int CodeThreads = 128;
constexpr int CodeRows = 16;
constexpr int CodeWarps = 8;
constexpr int SamplerThreads = 256;
constexpr int MaxChannels = 64;
constexpr int PickBytes = 16;
constexpr int WarpSize = 32;

enum class HiddenActivation { Silu = 0, Gelu = 1, GeluNew = 2, Relu = 3 };

enum class SamplerStatus { Running = 0, Finished = 1, LogitNotFinite = 2, ScoreNotFinite = 3 };

struct AttentionItem
{
    int firstRow;
    int rows;
    float* keys;
    float* values;
    i64 layerStride;
    int keyCount;
    int causalStart;
    u8* mask;
};

static_assert(sizeof(AttentionItem) == 48, "as the C# struct");

struct SequenceState
{
    double topP;
    u64 seed;
    int* forced;
    int* delays;
    int* ring;
    u64* progressWord;
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

#endif
