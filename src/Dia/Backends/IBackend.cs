using Dia.Configuration;
using Dia.Weights;

namespace Dia.Backends;

/// <summary>
/// The operations that emitted layers are written in. One implementation per device; every pointer is memory of that
/// device. Activations are float32, row-major; sizes are in values, not bytes.
/// </summary>
/// <remarks>
/// Each output is a sum in an order that depends on nothing but the operation's constant sizes (and the row's place on the timeline, where
/// convolutions are filtered): not on the number of rows, the row's place among them, or threads. So a batch equals its single runs and streamed audio
/// equals unstreamed audio, bit for bit.
/// </remarks>
public unsafe interface IBackend
{
    /// <summary>Where the pointers of all operations point.</summary>
    DeviceMemory Memory { get; }

    /// <summary>
    /// Called once per weight after loading: lays it out for this backend. The result may point at the stored values, which must outlive it.
    /// A failure leaves nothing allocated.
    /// </summary>
    /// <exception cref="DiaException">No memory (Device).</exception>
    Weight Prepare(WeightSpec spec, in StoredWeight stored);

    /// <summary>Frees what <see cref="Prepare"/> allocated for a weight of this spec; one that was never prepared is ignored.</summary>
    void Release(WeightSpec spec, in Weight weight);

    /// <summary>y[rows, d] = table[ids[rows]] for a table [entries, d].</summary>
    void Embed(float* y, int* ids, in Weight table, int rows, int d);

    /// <summary>y[r] = Σ_c table[c·vocabulary + ids[r, c]] for ids [rows, channels] and a table [channels·vocabulary, d].</summary>
    void EmbedSum(float* y, int* ids, in Weight table, int rows, int channels, int vocabulary, int d);

    /// <summary>y = x·rsqrt(mean(x²) + eps)·w over rows of d values.</summary>
    void RmsNorm(float* y, float* x, in Weight w, int rows, int d, float eps);

    /// <summary>y[rows, n] = x[rows, k] · wᵀ for w [n, k], plus what y held if <paramref name="accumulate"/>.</summary>
    void Linear(float* y, float* x, in Weight w, int rows, int n, int k, Phase phase, bool accumulate);

    /// <summary>
    /// cos and sin [rows, half] of the float32 angle positions[r]·inverseFrequencies[i], times scaling; the rows of a batch's item have
    /// frequencies of their own, inverseFrequencies [items, half].
    /// </summary>
    void RopeTable(float* cos, float* sin, int* positions, float* inverseFrequencies, in AttentionBatch batch, int half, float scaling);

    /// <summary>
    /// Rotates x [rows, heads, 2·half] in place, halves convention: (x1, x2) → (x1·cos − x2·sin, x2·cos + x1·sin) with cos and sin [rows, half].
    /// </summary>
    void Rope(float* x, float* cos, float* sin, int rows, int heads, int half);

    /// <summary>
    /// Rotates keys [rows, keyHeads, 2·half] in place and appends them and values, of the same shape, to a layer's cache of each item: its row r
    /// becomes row CausalStart + r there, rounded to the batch's format.
    /// </summary>
    void RopeKeyValues(float* keys, float* values, float* cos, float* sin, in AttentionBatch batch, int layer, int keyHeads, int half);

    /// <summary>
    /// y[rows, heads·headDim] = softmax(q·keysᵀ)·values per item and head, scale 1; query head h reads key head h / (heads / keyHeads).
    /// Scores and softmax in float32, the maximum subtracted, whatever format keys and values are kept in.
    /// </summary>
    /// <param name="y">The result.</param>
    /// <param name="q">Queries [rows, heads·headDim].</param>
    /// <param name="batch">The sequences.</param>
    /// <param name="layer">Whose keys and values to read.</param>
    /// <param name="heads">Query heads.</param>
    /// <param name="keyHeads">Key heads.</param>
    /// <param name="headDim">Values of a head.</param>
    /// <param name="maps">Where the probabilities [heads, Rows, KeyCount] of the items go, one item after the other; null: they are not wanted.</param>
    void Attention(float* y, float* q, in AttentionBatch batch, int layer, int heads, int keyHeads, int headDim, float* maps);

    /// <summary>y[rows, n] = up · act(gate) for x [rows, 2n] whose first n values per row are the gate.</summary>
    void GatedActivation(float* y, float* x, int rows, int n, HiddenActivation activation);

    /// <summary>y[r] += v for every row of y [rows, d].</summary>
    void AddRow(float* y, float* v, int rows, int d);

    /// <summary>y −= x over count values.</summary>
    void Subtract(float* y, float* x, long count);

    /// <summary>
    /// Convolution over channels-last rows: y[r, o] = bias[o] + Σ_k Σ_i x[r·stride + k·dilation, i]·w[o, i, k] for r in 0..rows−1; x points at
    /// the row that tap 0 of the first output reads, padding rows included. Plus what y held if <paramref name="accumulate"/>. With a kernel that was
    /// prepared for minimal filtering rows are whole tiles. Snake of that goes to <paramref name="snake"/>, if there is one: y, where only it is wanted.
    /// </summary>
    void Convolution(float* y, float* x, in Weight w, in Weight bias, int rows, int inputs, int outputs, int kernel, int stride, int dilation, bool accumulate,
        float* snake = null, in Weight alpha = default);

    /// <summary>
    /// Transposed convolution of kernel 2·stride, written per input row: y[r·stride + p, o] = bias[o] + Σ_i x[r, i]·w[i, o, p + stride] + x[r + 1, i]·w[i, o,
    /// p]
    /// for r in 0..rows−1, p in 0..stride−1: x points at the row before the first, y is [rows·stride, outputs].
    /// Snake of that as for a convolution.
    /// </summary>
    void TransposedConvolution(float* y, float* x, in Weight w, in Weight bias, int rows, int inputs, int outputs, int stride, float* snake = null,
        in Weight alpha = default);

    /// <summary>Snake over rows of channels: y = x + sin²(αx)/(α + 1e-9). y may be x.</summary>
    void Snake(float* y, float* x, in Weight alpha, int rows, int channels);

    /// <summary>y = tanh(x) over count values. y may be x.</summary>
    void Tanh(float* y, float* x, long count);

    /// <summary>
    /// codes[r·codeStride] = the row of codebook [entries, d] nearest to x[r] by cosine (both sides normalised), the first of equals.
    /// </summary>
    void NearestCode(int* codes, int codeStride, float* x, in Weight codebook, int rows, int entries, int d);

    /// <summary>y[r] = codebook[codes[r·codeStride]] for a codebook [entries, d].</summary>
    void LookUpCode(float* y, int* codes, int codeStride, in Weight codebook, int rows, int d);
}
