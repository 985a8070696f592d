// Picks the next row of every sequence from its logits: src/Dia/Generation on the device. For the same logits both give the same ids:
// every comparison is that of LogitsProcessors.cs, EosDelayPattern.cs and TokenSampler.cs, every sum of weights is in double in the
// same order, and nothing is contracted. Only e^x may differ by an ulp of double from the host's.
#include "attention_item.h"
#include "math.h"

// What sample_rows hands to advance, per slot and channel.
struct Pick
{
    int best;
    int drawn;
    int faults;
    int unused;
};

static_assert(sizeof(Pick) == PickBytes, "so much room has each");

enum { ConditionalNotFinite = 1, UnconditionalNotFinite = 2, ScoreNotFinite = 4 };

// Philox4x32-10, numerics.md, "The draw".
INLINE double uniform(u64 seed, int row, int channel, int item)
{
    u32 c0 = (u32)row, c1 = (u32)channel, c2 = (u32)item, c3 = 0, k0 = (u32)seed, k1 = (u32)(seed >> 32);
    for (int round = 0; round < 10; round++)
    {
        u64 product0 = (u64)0xD2511F53u * c0, product1 = (u64)0xCD9E8D57u * c2;
        c0 = (u32)(product1 >> 32) ^ c1 ^ k0;
        c1 = (u32)product1;
        c2 = (u32)(product0 >> 32) ^ c3 ^ k1;
        c3 = (u32)product0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return (double)(((u64)c0 << 32 | c1) >> 11) * (1.0 / 9007199254740992.0);
}

// y = e^x as the sampler computes it: for the self-test, which compares it with the host's.
extern "C" __global__ __launch_bounds__(SamplerThreads) void exponentials(double* y, const double* x, int count)
{
    int i = (int)(block_x() * thread_count() + thread_index());
    if (i < count)
        y[i] = exponential(x[i]);
}

// What a block works on. weights and sorted hold capacity values (a power of two, at least the vocabulary), scores the vocabulary.
struct Channel
{
    double* weights;
    float* sorted;
    float* scores;
    int* shared; // one value per warp
    int* counts; // one value per thread
    int size;
    int capacity;
};

// The number of ids of which something holds, to every thread.
template <typename Condition> INLINE int count_if(const Channel& c, int size, Condition holds)
{
    int count = 0;
#pragma unroll 4
    for (int id = (int)thread_index(); id < size; id += SamplerThreads)
        count += holds(id);
    return block_sum(count, c.shared);
}

// The sum over the threads before this one, to each; a group of lanes adds that of its neighbour, twice as many at a time.
INLINE int sum_before(const Channel& c, int value)
{
    int before = 0, total = value;
    for (int mask = 1; mask < WarpSize; mask *= 2)
    {
        int other = shuffle_xor(total, mask);
        before += lane_index() & mask ? other : 0;
        total += other;
    }
    barrier(); // the last use of shared
    if (lane_index() == 0)
        c.shared[warp_index()] = total;
    barrier();
    for (u32 w = 0; w < warp_index(); w++)
        before += c.shared[w];
    return before;
}

// Puts in place of each weight the sum up to it. One thread, because the order is the host's; what is asked of the sums all answer.
INLINE void add_up(const Channel& c, int count)
{
    barrier();
    if (thread_index() == 0)
    {
        double sum = 0;
#pragma unroll 8
        for (int i = 0; i < count; i++)
            c.weights[i] = sum += c.weights[i];
    }
    barrier();
}

// The id of the greatest value, the lowest of equals (0 where every value is −∞), to every thread.
INLINE int best_of(const Channel& c, const float* values, int size)
{
    float best = -Infinity;
    int id = 0;
    for (int i = (int)thread_index(); i < size; i += SamplerThreads)
        if (values[i] > best)
        {
            best = values[i];
            id = i;
        }
    for (int mask = 16; mask > 0; mask >>= 1)
    {
        float other = shuffle_xor(best, mask);
        int otherId = shuffle_xor(id, mask);
        if (other > best || (other == best && otherId < id))
        {
            best = other;
            id = otherId;
        }
    }
    barrier(); // the last use of shared and counts
    if (lane_index() == 0)
    {
        c.shared[warp_index()] = id;
        c.counts[warp_index()] = __builtin_bit_cast(int, best);
    }
    barrier();
    for (int w = 0; w < SamplerThreads / WarpSize; w++)
    {
        float other = __builtin_bit_cast(float, c.counts[w]);
        if (other > best || (other == best && c.shared[w] < id))
        {
            best = other;
            id = c.shared[w];
        }
    }
    return id;
}

// Sorts the values ascending into c.sorted, −∞ before them to fill it. A bitonic network: log² stages, no data-dependent branch. A thread
// has the values of four pairs on their way. Up to a distance of 32 the 32 pairs of a warp are 64 neighbours, which no other warp touches.
INLINE void sort(const Channel& c, const float* values)
{
    barrier();
    for (int i = (int)thread_index(); i < c.capacity; i += SamplerThreads)
        c.sorted[i] = i < c.size ? values[i] : -Infinity;
    barrier();
    constexpr int AtOnce = 4;
    for (int run = 2; run <= c.capacity; run *= 2)
        for (int distance = run / 2; distance > 0; distance /= 2)
        {
            if (distance >= WarpSize)
                barrier();
            else
                warp_barrier();
            for (int first = (int)thread_index(); first < c.capacity / 2; first += AtOnce * SamplerThreads)
            {
                float a[AtOnce], b[AtOnce];
#pragma unroll
                for (int u = 0; u < AtOnce; u++)
                {
                    int pair = first + u * SamplerThreads, low = 2 * pair - (pair & (distance - 1));
                    a[u] = pair < c.capacity / 2 ? c.sorted[low] : 0;
                    b[u] = pair < c.capacity / 2 ? c.sorted[low + distance] : 0;
                }
#pragma unroll
                for (int u = 0; u < AtOnce; u++)
                {
                    int pair = first + u * SamplerThreads, low = 2 * pair - (pair & (distance - 1));
                    if (pair < c.capacity / 2 && (a[u] > b[u]) == ((low & run) == 0) && a[u] != b[u])
                    {
                        c.sorted[low] = b[u];
                        c.sorted[low + distance] = a[u];
                    }
                }
            }
        }
    barrier();
}

// How many of the ids before this one have its value.
INLINE int rank_among_equals(const float* values, int id)
{
    int rank = 0;
    for (int before = 0; before < id; before++)
        rank += values[before] == values[id];
    return rank;
}

// LogitsProcessors.Guide: x = c + g·(c − u); with top-k the k best of x, of equals the lowest ids, keep their conditional values.
INLINE void guide(const Channel& c, const SequenceState& state, const float* conditional, const float* unconditional)
{
    bool selects = state.topK > 0 && state.topK < c.size;
    float* guided = (float*)c.weights; // free until weights are made
#pragma unroll 4
    for (int id = (int)thread_index(); id < c.size; id += SamplerThreads)
    {
        guided[id] = conditional[id] + (conditional[id] - unconditional[id]) * state.guidanceScale;
        c.scores[id] = state.topK > 0 ? conditional[id] : guided[id];
    }
    if (!selects)
        return;
    sort(c, guided);
    float lowest = c.sorted[c.capacity - state.topK];
    int equals = state.topK - count_if(c, c.size, [&](int id) { return guided[id] > lowest; });
    for (int id = (int)thread_index(); id < c.size; id += SamplerThreads)
        if (guided[id] < lowest || (guided[id] == lowest && rank_among_equals(guided, id) >= equals))
            c.scores[id] = -Infinity;
}

// LogitsProcessors.FilterEos.
INLINE void filter_eos(const Channel& c, const SequenceState& state, int channel, const float* conditional)
{
    int eos = state.eos;
    barrier();
    bool only = channel == 0 && best_of(c, c.scores, eos + 1) == eos;
    barrier();
    for (int id = (int)thread_index(); id < c.size; id += SamplerThreads)
        if (only ? id != eos : id >= eos)
            c.scores[id] = -Infinity;
    if (only || !state.doSample)
        return;
    barrier();
    if (count_if(c, c.size, [&](int id) { return c.scores[id] != -Infinity; }) > 0)
        return;
    int best = best_of(c, conditional, eos);
    if (thread_index() == 0)
        c.scores[best] = 0;
}

// LogitsProcessors.KeepTopP after KeepTopK, on scores sorted ascending. Sums go over the sorted values in ascending order.
INLINE void drop_tail(const Channel& c, float lowest, double p)
{
    int count = count_if(c, c.capacity, [&](int i) { return c.sorted[i] > -Infinity && c.sorted[i] >= lowest; });
    if (count < 2)
        return;
    const float* ordered = c.sorted + c.capacity - count;
    barrier(); // the guided values there have been read
    for (int i = (int)thread_index(); i < count; i += SamplerThreads)
        c.weights[i] = exponential((double)ordered[i] - ordered[count - 1]);
    add_up(c, count);
    double tail = (1 - p) * c.weights[count - 1];
    int dropped = count_if(c, count - 1, [&](int i) { return c.weights[i] <= tail; });
    float kept = ordered[dropped];
    int equals = count_if(c, dropped, [&](int i) { return ordered[i] == kept; });
    // Which ids go is found before any goes: ranks read the scores of others.
    u32 gone = 0;
    int at = 0;
    for (int id = (int)thread_index(); id < c.size; id += SamplerThreads, at++)
        gone |= (u32)(c.scores[id] < kept || (c.scores[id] == kept && equals > 0 && rank_among_equals(c.scores, id) < equals)) << at;
    barrier();
    at = 0;
    for (int id = (int)thread_index(); id < c.size; id += SamplerThreads, at++)
        if (gone >> at & 1)
            c.scores[id] = -Infinity;
}

// TokenSampler.Draw. The weights above 0 are brought together in the order of their ids; zeros between them would change no sum.
INLINE int draw(const Channel& c, int best, double u)
{
    double maximum = c.scores[best];
    int share = (c.size + SamplerThreads - 1) / SamplerThreads, first = (int)thread_index() * share, end = least(first + share, c.size), count = 0;
    for (int id = first; id < end; id++)
        count += c.scores[id] != -Infinity && exponential(c.scores[id] - maximum) > 0;
    int at = sum_before(c, count);
    int* ids = (int*)c.sorted;
    for (int id = first; id < end; id++)
    {
        double weight = c.scores[id] == -Infinity ? 0 : exponential(c.scores[id] - maximum);
        if (weight > 0)
        {
            c.weights[at] = weight;
            ids[at++] = id;
        }
    }
    if (thread_index() == SamplerThreads - 1)
        c.counts[0] = at;
    barrier();
    int candidates = c.counts[0];
    if (candidates == 0)
        return best; // only beside an infinite score, which is a failure
    add_up(c, candidates);
    double limit = u * c.weights[candidates - 1];

    // Sums only grow: as many are not above the limit as come before the first that is.
    return ids[count_if(c, candidates - 1, [&](int i) { return !(c.weights[i] > limit); })];
}

extern "C" __shared__ __attribute__((aligned(16))) double samplerMemory[];

// picks [slots, channels] from logits [rows, channels, vocabulary]. Grid x: channels, y: slots; a block per channel. Dynamic shared
// memory: 12·capacity + 4·vocabulary bytes. Bytes moved: the logits once or twice.
extern "C" __global__ __launch_bounds__(SamplerThreads) void sample_rows(Pick* picks, const SequenceState* states, const float* logits, int channels, int vocabulary, int capacity)
{
    __shared__ int shared[SamplerThreads / WarpSize];
    __shared__ int counts[SamplerThreads];
    const SequenceState& state = states[block_y()];
    int channel = (int)block_x();
    if (state.conditionalRow < 0 || state.finished)
        return;
    float* sorted = (float*)(samplerMemory + capacity);
    Channel c = {samplerMemory, sorted, sorted + capacity, shared, counts, vocabulary, capacity};
    const float* conditional = logits + ((i64)state.conditionalRow * channels + channel) * vocabulary;
    const float* unconditional = state.useGuidance ? logits + ((i64)state.unconditionalRow * channels + channel) * vocabulary : nullptr;
    Pick pick = {};
    if (count_if(c, vocabulary, [&](int id) { return !(absolute(conditional[id]) < Infinity); }))
        pick.faults |= ConditionalNotFinite;
    if (unconditional && count_if(c, vocabulary, [&](int id) { return !(absolute(unconditional[id]) < Infinity); }))
        pick.faults |= UnconditionalNotFinite;

    // Of an ended channel nothing is asked, but channel 0's best id can start the end.
    if (!pick.faults && (channel == 0 || !(state.ended >> channel & 1)))
    {
        if (unconditional)
            guide(c, state, conditional, unconditional);
        else
            for (int id = (int)thread_index(); id < vocabulary; id += SamplerThreads)
                c.scores[id] = conditional[id];
        barrier();
        for (int id = (int)thread_index(); id < vocabulary; id += SamplerThreads)
            c.scores[id] = c.scores[id] / state.temperature;
        filter_eos(c, state, channel, conditional);
        bool cuts = state.topK > 0 && state.topK < vocabulary;
        if (state.doSample && (cuts || state.topP < 1))
        {
            sort(c, c.scores);
            float lowest = cuts ? sorted[capacity - state.topK] : -Infinity;
            for (int id = (int)thread_index(); id < vocabulary; id += SamplerThreads)
                if (c.scores[id] < lowest)
                    c.scores[id] = -Infinity;
            barrier();
            if (state.topP < 1)
                drop_tail(c, lowest, state.topP);
        }
        barrier();
        pick.best = best_of(c, c.scores, vocabulary);
        if (c.scores[pick.best] == Infinity)
            pick.faults |= ScoreNotFinite;
        if (state.doSample)
            pick.drawn = draw(c, pick.best, uniform(state.seed, state.generated, channel, state.drawItem));
    }
    if (thread_index() == 0)
        picks[(i64)block_y() * channels + channel] = pick;
}

// The progress word that the host reads: rows generated in the low half; above it a SamplerStatus, with the channel from bit 8 on.
INLINE void report(const SequenceState& state, int status)
{
    fence_system(); // the row is there before the word says so
    *state.progressWord = (u64)(u32)status << 32 | (u32)state.generated;
}

// The channels of which something holds, as bits, to every lane.
template <typename Condition> INLINE u64 channels_where(int channels, Condition holds)
{
    u64 found = 0;
    for (int first = 0; first < channels; first += WarpSize)
    {
        int channel = first + (int)lane_index();
        found |= (u64)ballot(channel < channels && holds(channel)) << first;
    }
    return found;
}

// Fails a sequence that cannot go on, for the first of the channels.
INLINE void fail(SequenceState& state, SamplerStatus status, u64 channels)
{
    warp_barrier(); // the lanes have read the state
    if (lane_index() != 0)
        return;
    state.finished = 1;
    report(state, (int)status | __builtin_ctzll(channels) << 8);
}

// Appends the picked rows and moves the step's inputs on: ids [rows, channels], positions [rows] and self-attention items [rows] of the
// sequence's conditional and unconditional row. The last two may be null (after a prompt, whose pass is the host's). A finished sequence
// stays where it is: further steps repeat its last row into the same place of its cache. Block x: a place; a lane per channel, or two.
extern "C" __global__ __launch_bounds__(WarpSize) void advance(SequenceState* states, const Pick* allPicks, int* ids, int* positions, AttentionItem* items, int channels)
{
    SequenceState& state = states[block_x()];
    if (state.conditionalRow < 0 || state.finished)
        return;

    // Like LogitsProcessors' caller: conditional logits of all channels first, then unconditional ones.
    const Pick* picks = allPicks + (i64)block_x() * channels;
    u64 conditional = channels_where(channels, [&](int channel) { return (picks[channel].faults & ConditionalNotFinite) != 0; });
    u64 unconditional = channels_where(channels, [&](int channel) { return (picks[channel].faults & UnconditionalNotFinite) != 0; });
    if (conditional | unconditional)
        return fail(state, SamplerStatus::LogitNotFinite, conditional ? conditional : unconditional);

    // EosDelayPattern.Apply. Equals, not "at least": a prompt that is already longer is never forced to end.
    int since = state.stepsSinceEnd, rowCount = state.rowCount, eos = state.eos, pad = state.pad;
    if (since < 0 && (rowCount == state.rowLimit - state.maxDelay - 1 || picks[0].best == eos))
        since = 0;
    u64 ended = state.ended, forced = since < 0 ? 0 : channels_where(channels, [&](int channel) { return state.delays[channel] == since; });
    u64 infinite = channels_where(channels, [&](int channel) { return (picks[channel].faults & ScoreNotFinite) != 0; }) & ~(ended | forced);
    if (infinite)
        return fail(state, SamplerStatus::ScoreNotFinite, infinite);

    // GenerationSequence.Append: what was picked decides whether a channel ends, then the prompt's known cells overwrite it.
    bool draws = state.doSample;
    u64 ending = forced | channels_where(channels, [&](int channel) { return (draws ? picks[channel].drawn : picks[channel].best) == eos; });
    int guidance = state.useGuidance, conditionalRow = state.conditionalRow, unconditionalRow = state.unconditionalRow;
    int* row = state.ring + (i64)(state.generated % state.ringRows) * channels;
    for (int channel = (int)lane_index(); channel < channels; channel += WarpSize)
    {
        int picked = draws ? picks[channel].drawn : picks[channel].best;
        int id = ended >> channel & 1 ? pad : forced >> channel & 1 ? eos : picked;
        int known = rowCount < state.inputRows ? state.forced[(i64)rowCount * channels + channel] : pad;
        id = known == pad ? id : known;
        row[channel] = id;
        if (ids)
        {
            ids[(i64)conditionalRow * channels + channel] = id;
            if (guidance)
                ids[(i64)unconditionalRow * channels + channel] = id;
        }
    }
    ended |= ending;
    rowCount++;
    u64 all = channels == MaxChannels ? ~0ull : (1ull << channels) - 1;
    bool finished = ended == all || rowCount >= state.rowLimit;
    warp_barrier(); // the lanes have read the state and written the row
    if (lane_index() == 0)
    {
        state.ended = ended;
        state.stepsSinceEnd = since < 0 ? since : since + 1;
        state.rowCount = rowCount;
        state.generated++;
        state.finished = finished;
        report(state, (int)(finished ? SamplerStatus::Finished : SamplerStatus::Running));
    }
    if (finished || !positions || (int)lane_index() > guidance)
        return;
    int at = lane_index() == 0 ? conditionalRow : unconditionalRow;
    positions[at]++;
    items[at].keyCount++;
    items[at].causalStart++;
}
