using Dia.Configuration;

namespace Dia.Backends;

/// <summary>
/// What a backend does besides <see cref="IBackend"/> so that a model can be trained on it: the gradients of its operations, and an optimizer's step. d and
/// the name of a value is the gradient of the loss with respect to it: float32, of the value's shape.
/// </summary>
/// <remarks>
/// The gradient of an operation's input is written, or added to what is there where <c>accumulate</c> says so; that of a parameter is always added, and null
/// where it is not wanted. The order of a sum does not depend on threads; that of a parameter's gradient depends on the number of rows.
/// </remarks>
public unsafe interface ITrainingBackend : IBackend
{
    /// <summary>The label of what the loss leaves out.</summary>
    const int IgnoredLabel = -100;

    /// <summary>y = x over count values.</summary>
    void Copy(float* y, float* x, long count);

    /// <summary>
    /// y = x·scale/(1 − share), and 0 where the mask drops it (Srivastava et al. 2014), over count values; plus what y held if
    /// <paramref name="accumulate"/>. y may be x. Its own gradient.
    /// </summary>
    void Dropout(float* y, float* x, long count, in DropoutMask mask, float scale, bool accumulate);

    /// <summary>
    /// Of <see cref="IBackend.Linear"/>: dx[rows, k] = dy[rows, n] · w for w [n, k], plus what dx held if <paramref name="accumulate"/>.
    /// </summary>
    void LinearInputGradient(float* dx, float* dy, in Weight w, int rows, int n, int k, bool accumulate);

    /// <summary>Of <see cref="IBackend.Linear"/>: dw[n, k] += dyᵀ · x for dy [rows, n] and x [rows, k].</summary>
    void LinearWeightGradient(float* dw, float* dy, float* x, int rows, int n, int k);

    /// <summary>
    /// Of <see cref="IBackend.RmsNorm"/> at x: with s = rsqrt(mean(x²) + eps), dx = s·(dy·w − x·s²·mean(dy·w·x)), plus what dx held if
    /// <paramref name="accumulate"/>, and dw[d] += Σ dy·x·s over the rows.
    /// </summary>
    void RmsNormGradient(float* dx, float* dw, float* dy, float* x, in Weight w, int rows, int d, float eps, bool accumulate);

    /// <summary>
    /// Of <see cref="IBackend.Rope"/>: turns dx [rows, heads, 2·half] back, in place: (d1, d2) → (d1·cos + d2·sin, d2·cos − d1·sin).
    /// </summary>
    void RopeGradient(float* dx, float* cos, float* sin, int rows, int heads, int half);

    /// <summary>
    /// Of <see cref="IBackend.Attention"/>; its probabilities are computed again. A row that sees no key attends evenly whatever its query and the keys are: it
    /// gives dv only.
    /// </summary>
    /// <param name="dq">Written: [rows, heads·headDim].</param>
    /// <param name="dk">Written: [items·KeyCount, keyHeads·headDim]; all items have equally many keys, and item n's begin at row n·KeyCount.</param>
    /// <param name="dv">Written: of dk's shape.</param>
    /// <param name="dy">Of the result's shape.</param>
    /// <param name="q">Queries [rows, heads·headDim].</param>
    /// <param name="y">The result.</param>
    /// <param name="batch">The sequences.</param>
    /// <param name="layer">Whose keys and values to read.</param>
    /// <param name="heads">Query heads.</param>
    /// <param name="keyHeads">Key heads.</param>
    /// <param name="headDim">Values of a head.</param>
    void AttentionGradient(float* dq, float* dk, float* dv, float* dy, float* q, float* y, in AttentionBatch batch, int layer, int heads, int keyHeads,
        int headDim);

    /// <summary>
    /// Of <see cref="IBackend.GatedActivation"/> at x [rows, 2n], the gate first: dx [rows, 2n] is dy·up·act'(gate), then dy·act(gate). ReLU's slope at 0 is 0.
    /// </summary>
    void GatedActivationGradient(float* dx, float* dy, float* x, int rows, int n, HiddenActivation activation);

    /// <summary>Of <see cref="IBackend.Embed"/>: dtable[ids[r]] += dy[r] for dy [rows, d].</summary>
    void EmbedGradient(float* dtable, float* dy, int* ids, int rows, int d);

    /// <summary>Of <see cref="IBackend.EmbedSum"/>: dtable[c·vocabulary + ids[r, c]] += dy[r] for every channel c.</summary>
    void EmbedSumGradient(float* dtable, float* dy, int* ids, int rows, int channels, int vocabulary, int d);

    /// <summary>
    /// Of scale · the sum of all cross-entropies, at logits x [rows, channels·vocabulary] and labels [rows, channels] in the device's memory: dx is scale ·
    /// (the channel's softmax, less 1 at its label), and 0 where the label is <see cref="IgnoredLabel"/>. dx may be x.
    /// </summary>
    void CrossEntropyGradient(float* dx, float* x, int* labels, int rows, int channels, int vocabulary, float scale);

    /// <summary>
    /// Of <see cref="IBackend.Snake"/> at x: dx = dy·(1 + α·sin(2αx)/(α + 1e-9)), plus what dx held if <paramref name="accumulate"/>, and dalpha [channels]
    /// gets its sum over the rows. Where nothing is accumulated, dx may be dy.
    /// </summary>
    void SnakeGradient(float* dx, float* dalpha, float* dy, float* x, in Weight alpha, int rows, int channels, bool accumulate);

    /// <summary>Of <see cref="IBackend.Tanh"/> with result y: dx = dy·(1 − y²). dx may be dy or y.</summary>
    void TanhGradient(float* dx, float* dy, float* y, long count);

    /// <summary>
    /// Of <see cref="IBackend.Convolution"/>: dx[r·stride + k·dilation, i] = Σ_k Σ_o dy[r, o]·w[o, i, k], written for all rows that the convolution reads,
    /// padding included: (rows − 1)·stride + (kernel − 1)·dilation + 1 of them. Plus what dx held if <paramref name="accumulate"/>.
    /// </summary>
    void ConvolutionInputGradient(float* dx, float* dy, in Weight w, int rows, int inputs, int outputs, int kernel, int stride, int dilation, bool accumulate);

    /// <summary>
    /// Of <see cref="IBackend.Convolution"/>: dw[o, i, k] += Σ_r dy[r, o]·x[r·stride + k·dilation, i] and dbias[o] += Σ_r dy[r, o]; x as there.
    /// </summary>
    void ConvolutionWeightGradient(float* dw, float* dbias, float* dy, float* x, int rows, int inputs, int outputs, int kernel, int stride, int dilation);

    /// <summary>
    /// Of <see cref="IBackend.TransposedConvolution"/>: dx[rows + 1, inputs] from dy [rows·stride, outputs]; written whole, its first row being the one before
    /// the first.
    /// </summary>
    void TransposedConvolutionInputGradient(float* dx, float* dy, in Weight w, int rows, int inputs, int outputs, int stride);

    /// <summary>Of <see cref="IBackend.TransposedConvolution"/>: dw [inputs, outputs, 2·stride] and dbias [outputs] get their sums over the rows; x as there.</summary>
    void TransposedConvolutionWeightGradient(float* dw, float* dbias, float* dy, float* x, int rows, int inputs, int outputs, int stride);

    /// <summary>Of scale · Σ (x − target)² at x, over count values: dx = 2·scale·(x − target), plus what dx held if <paramref name="accumulate"/>.</summary>
    void SquaredErrorGradient(float* dx, float* x, float* target, long count, float scale, bool accumulate);

    /// <summary>Of <see cref="IBackend.LookUpCode"/>: dcodebook[codes[r·codeStride]] += dy[r] for dy [rows, d].</summary>
    void LookUpCodeGradient(float* dcodebook, float* dy, int* codes, int codeStride, int rows, int d);

    /// <summary>
    /// A step of AdamW (Loshchilov, Hutter 2019, arXiv 1711.05101) as PyTorch computes it, over count values of w with their moments m and v and gradients g: g
    /// is multiplied by GradientScale and read only; w −= rate·decay·w; m += (1 − β1)·(g − m); v = β2·v + (1 − β2)·g²; w −= rate·m̂/(√v̂ + ε) with m̂ =
    /// m/(1 − β1^number) and v̂ = v/(1 − β2^number).
    /// </summary>
    void AdamW(float* w, float* m, float* v, float* g, long count, in AdamWStep step);

    /// <summary>Σ g² over count values, in double.</summary>
    double SquaredNorm(float* g, long count);
}
