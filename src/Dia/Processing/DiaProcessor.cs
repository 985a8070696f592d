using Dia.Audio;
using Dia.Codec;
using Dia.Configuration;
using Dia.Text;

namespace Dia.Processing;

/// <summary>
/// Makes the model's inputs from text and audio, and audio from the model's rows. The token ids and the delay pattern
/// default to the released model's; set them from the configuration of another.
/// </summary>
public sealed partial class DiaProcessor
{
    private const int IgnoredLabel = -100;
    private const string ReleasedCodec = "descript/dac_44khz";
    private readonly int[] _delayPattern = Processing.DelayPattern.Default.ToArray();

    /// <summary>Puts the parts together.</summary>
    /// <param name="featureExtractor">Prepares audio; its rate must be the codec's, its hop a multiple of the codec's.</param>
    /// <param name="tokenizer">Prepares text.</param>
    /// <param name="audioTokenizer">The codec; null where no audio goes in or out.</param>
    /// <exception cref="DiaException">Model: feature extractor and codec do not fit.</exception>
    public DiaProcessor(DiaFeatureExtractor featureExtractor, DiaTokenizer tokenizer, IAudioCodec? audioTokenizer = null)
    {
        ArgumentNullException.ThrowIfNull(featureExtractor);
        ArgumentNullException.ThrowIfNull(tokenizer);
        if (audioTokenizer is IAudioCodec codec
            && (codec.SamplingRate != featureExtractor.SamplingRate || featureExtractor.HopLength % codec.HopLength != 0))
        {
            throw new DiaException(
                DiaErrorKind.Model,
                $"The codec has {codec.SamplingRate} Hz and a hop of {codec.HopLength}, the feature extractor {featureExtractor.SamplingRate} Hz and {featureExtractor.HopLength}: give the extractor the codec's.");
        }
        FeatureExtractor = featureExtractor;
        Tokenizer = tokenizer;
        AudioTokenizer = audioTokenizer;
    }

    /// <summary>A processor with a model's token ids and delays, and its codec's rate and hop.</summary>
    /// <param name="config">The model's configuration.</param>
    /// <param name="codec">The codec; null: text and codes only.</param>
    /// <exception cref="DiaException">Model: the codec's codebooks are not the model's channels, or cannot hold its codes.</exception>
    public static DiaProcessor Create(DiaConfig config, DacModel? codec = null)
    {
        ArgumentNullException.ThrowIfNull(config);
        var extractor = codec is null ? new DiaFeatureExtractor() : new DiaFeatureExtractor(samplingRate: codec.SamplingRate, hopLength: codec.HopLength);
        return Of(config, extractor, new DiaTokenizer(), codec, ReleasedCodec);
    }

    /// <summary>Prepares audio.</summary>
    public DiaFeatureExtractor FeatureExtractor { get; }

    /// <summary>Prepares text.</summary>
    public DiaTokenizer Tokenizer { get; }

    /// <summary>The codec, or null.</summary>
    public IAudioCodec? AudioTokenizer { get; }

    /// <summary>What the codec is called, for <see cref="SavePretrained"/>: a name that the reference library finds it by, or its folder.</summary>
    public string AudioTokenizerName { get; init; } = ReleasedCodec;

    /// <summary>The id that ends the audio.</summary>
    public int EosTokenId { get; init; } = 1024;

    /// <summary>The id that stands where nothing is known.</summary>
    public int PadTokenId { get; init; } = 1025;

    /// <summary>The id that starts the audio.</summary>
    public int BosTokenId { get; init; } = 1026;

    /// <summary>Each channel's delay in rows.</summary>
    /// <exception cref="DiaException">Usage: empty, or a delay that no configuration has.</exception>
    public IReadOnlyList<int> DelayPattern
    {
        get => _delayPattern;
        init
        {
            ArgumentNullException.ThrowIfNull(value, nameof(DelayPattern));
            _delayPattern = [.. value];
            Processing.DelayPattern.Check(_delayPattern);
        }
    }

    /// <summary>Text ids that the model has positions for; null: no model is known.</summary>
    private int? TextPositions { get; init; }

    /// <summary>
    /// Inputs for generation (a voice prompt where audio is given) or for training.
    /// </summary>
    /// <param name="text">One text for each item of the batch.</param>
    /// <param name="audio">One piece of audio for each text, or null.</param>
    /// <param name="generation">False: training rows, with an EOS row after the codes.</param>
    /// <param name="outputLabels">Training only: also the labels; the rows then lack the last.</param>
    /// <param name="textOptions">How texts are padded (null there: to the longest) and truncated; what else they return is the tokenizer's to ask for.</param>
    /// <param name="audioOptions">How audio is padded (null there: to the longest; an item's own padding is cut off before it is encoded) and
    /// truncated.</param>
    /// <exception cref="DiaException">Usage: arguments that contradict each other. Input: text or audio missing, malformed or of different counts, or of
    /// different lengths that padding was not to even out.</exception>
    public DiaInputs Process(
        IReadOnlyList<string> text,
        IReadOnlyList<AudioBuffer>? audio = null,
        bool generation = true,
        bool outputLabels = false,
        EncodingOptions? textOptions = null,
        FeatureOptions? audioOptions = null)
    {
        if (text is null || text.Count == 0)
            throw new DiaException(DiaErrorKind.Input, "The text is missing: give `text`, one string for each item.");
        if (generation && outputLabels)
            throw new DiaException(DiaErrorKind.Usage, "outputLabels makes no sense with generation: set generation to false to get labels.");
        if (!generation && audio is null)
            throw new DiaException(DiaErrorKind.Usage, "Training needs audio: give `audio`, or set generation to true.");
        if (audio is not null && audio.Count != text.Count)
            throw new DiaException(DiaErrorKind.Input,
                $"text has {text.Count} items but audio has {audio.Count}; there must be one piece of audio for each text.");
        if (text.Contains(null!))
            throw new ArgumentException("One of the texts is null.", nameof(text));
        if (audio is not null && audio.Contains(null!))
            throw new ArgumentException("One of the pieces of audio is null.", nameof(audio));

        BatchEncoding encoding = EncodeText(text, textOptions ?? new EncodingOptions());
        (int[][,] codes, int frames) = audio is null
            ? ([.. text.Select(_ => new int[0, _delayPattern.Length])], 0) : EncodeAudio(audio, audioOptions);
        return Inputs(ToMatrix(encoding.InputIds), ToMatrix(encoding.AttentionMask!), BuildRows(codes, generation, frames), outputLabels);
    }

    /// <summary>The same for one text, with its audio if there is any: a batch of one.</summary>
    public DiaInputs Process(
        string text, AudioBuffer? audio = null, bool generation = true, bool outputLabels = false, EncodingOptions? textOptions = null,
        FeatureOptions? audioOptions = null) =>
        Process(text is null ? null! : [text], audio is null ? null : [audio], generation, outputLabels, textOptions, audioOptions);

    /// <summary>The same inputs with voice prompts given as codes in place of their decoder rows.</summary>
    /// <param name="inputs">From <c>Process</c>, without audio.</param>
    /// <param name="codes">The codes [frames, C] of each item's prompt.</param>
    /// <exception cref="DiaException">Input: as many prompts as items are needed, each with the pattern's channels.</exception>
    public DiaInputs WithPrompt(DiaInputs inputs, IReadOnlyList<int[,]> codes)
    {
        CheckCodes(inputs, codes);
        return Inputs(inputs.InputIds, inputs.AttentionMask, BuildRows([.. codes], generation: true, 0), outputLabels: false);
    }

    /// <summary>The same inputs with training rows and labels of recordings that are given as codes, as <c>Process</c> makes them of recordings.</summary>
    /// <param name="inputs">From <c>Process</c>, without audio.</param>
    /// <param name="codes">The codes [frames, C] of each item's recording.</param>
    /// <exception cref="DiaException">Input: as many recordings as items are needed, each with the pattern's channels.</exception>
    public DiaInputs WithLabels(DiaInputs inputs, IReadOnlyList<int[,]> codes)
    {
        CheckCodes(inputs, codes);
        return Inputs(inputs.InputIds, inputs.AttentionMask, BuildRows([.. codes], generation: false, 0), outputLabels: true);
    }

    /// <summary>Rows of one item to samples.</summary>
    /// <param name="decoderInputIds">[1, T, C], as the model's generation returns them.</param>
    /// <param name="audioPromptLen">Rows to leave out at the front (<see cref="GetAudioPromptLen"/>), or null: only the BOS.</param>
    /// <exception cref="DiaException">Input: not exactly one item, or rows that hold no finished audio.</exception>
    public float[] Decode(int[,,] decoderInputIds, int? audioPromptLen = null)
    {
        ArgumentNullException.ThrowIfNull(decoderInputIds);
        if (decoderInputIds.GetLength(0) != 1)
            throw new DiaException(DiaErrorKind.Input, $"Decode takes a single item but got {decoderInputIds.GetLength(0)}; use BatchDecode.");
        return BatchDecode(decoderInputIds, audioPromptLen)[0];
    }

    /// <summary>Rows to samples, one array for each item; empty where an item has no frames.</summary>
    /// <param name="decoderInputIds">[B, T, C], as the model's generation returns them.</param>
    /// <param name="audioPromptLen">Rows to leave out at the front (<see cref="GetAudioPromptLen"/>), or null: only the BOS.</param>
    /// <exception cref="DiaException">Input: rows that hold no finished audio. Usage: no codec, or a negative prompt length.</exception>
    public float[][] BatchDecode(int[,,] decoderInputIds, int? audioPromptLen = null)
    {
        int[][,] codes = BatchCodes(decoderInputIds, audioPromptLen);
        return [.. codes.Select(frames => frames.GetLength(0) == 0 ? [] : Codec.Decode(frames))];
    }

    /// <summary>Rows to the codes of their audio, delay undone, [frames, C] for each item. Arguments and errors as for <see cref="BatchDecode"/>.</summary>
    public int[][,] BatchCodes(int[,,] decoderInputIds, int? audioPromptLen = null)
    {
        ArgumentNullException.ThrowIfNull(decoderInputIds);
        if (audioPromptLen < 0)
            throw new DiaException(DiaErrorKind.Usage, $"audioPromptLen is {audioPromptLen}; it must not be negative.");
        Processing.DelayPattern.CheckChannels(decoderInputIds.GetLength(2), _delayPattern);
        var codes = new int[decoderInputIds.GetLength(0)][,];
        for (int b = 0; b < codes.Length; b++)
        {
            int[,] rows = Item(decoderInputIds, b);
            (int start, int end) = Processing.DelayPattern.AudioFrames(rows, _delayPattern, BosTokenId, PadTokenId, audioPromptLen);
            codes[b] = Processing.DelayPattern.Undo(rows, _delayPattern, start, end);
            CheckCodes(codes[b], b, start);
        }
        return codes;
    }

    /// <summary>Rows that a voice prompt takes, BOS included: the mask's length minus the largest delay.</summary>
    /// <param name="decoderAttentionMask">[B, T], from <c>Process</c>.</param>
    public int GetAudioPromptLen(int[,] decoderAttentionMask)
    {
        ArgumentNullException.ThrowIfNull(decoderAttentionMask);
        return decoderAttentionMask.GetLength(1) - Processing.DelayPattern.Max(_delayPattern);
    }

    /// <summary>
    /// Writes audio as mono WAV (16 bits), FLAC or Opus, as the name ends, at the feature extractor's rate; the file appears when it is complete.
    /// </summary>
    /// <exception cref="DiaException">Usage: the path's ending promises another format. Output: the file cannot be written.</exception>
    public void SaveAudio(ReadOnlySpan<float> audio, string path) => AudioWriter.Save(path, audio, FeatureExtractor.SamplingRate);

    /// <summary>Writes several pieces of audio, each to its own path.</summary>
    /// <exception cref="DiaException">Usage: as many paths as pieces are needed, or a path's ending promises another format. Output: a file cannot be
    /// written.</exception>
    public void SaveAudio(IReadOnlyList<float[]> audio, IReadOnlyList<string> paths)
    {
        ArgumentNullException.ThrowIfNull(audio);
        ArgumentNullException.ThrowIfNull(paths);
        if (audio.Count != paths.Count)
            throw new DiaException(DiaErrorKind.Usage, $"There are {audio.Count} pieces of audio but {paths.Count} paths; the numbers must be the same.");
        for (int i = 0; i < audio.Count; i++)
            SaveAudio(audio[i], paths[i]);
    }

    private static DiaProcessor Of(DiaConfig? config, DiaFeatureExtractor extractor, DiaTokenizer tokenizer, IAudioCodec? codec, string codecName)
    {
        if (config is null)
            return new DiaProcessor(extractor, tokenizer, codec) { AudioTokenizerName = codecName };
        (codec as DacModel)?.CheckFits(config);
        return new DiaProcessor(extractor, tokenizer, codec)
        {
            AudioTokenizerName = codecName,
            TextPositions = config.EncoderConfig.MaxPositionEmbeddings,
            BosTokenId = config.BosTokenId,
            EosTokenId = config.EosTokenId,
            PadTokenId = config.PadTokenId,
            DelayPattern = config.DelayPattern,
        };
    }

    private IAudioCodec Codec => AudioTokenizer
        ?? throw new DiaException(DiaErrorKind.Usage, "This processor has no codec; give audioTokenizer to work with audio.");

    /// <summary>Texts of one length.</summary>
    private BatchEncoding EncodeText(IReadOnlyList<string> text, EncodingOptions options)
    {
        if (!options.ReturnAttentionMask || options.ReturnTokenTypeIds || options.ReturnOverflowingTokens || options.ReturnSpecialTokensMask
            || options.ReturnLength)
            throw new DiaException(DiaErrorKind.Usage, "The processor returns ids and their mask, nothing less or more: ask the Tokenizer for other results.");
        int? length = options.MaxLength ?? (options.AimsAtLength ? Tokenizer.ModelMaxLength ?? TextPositions : null);
        BatchEncoding encoding = Tokenizer.EncodeBatch(text, null, options with { Padding = options.Padding ?? PaddingStrategy.Longest, MaxLength = length });
        if (encoding.InputIds.Any(ids => ids.Length != encoding.InputIds[0].Length))
            throw new DiaException(DiaErrorKind.Input, "The texts of the batch have different lengths: set Padding or Truncation so that they become one.");
        return encoding.InputIds[0].Length > 0 ? encoding : throw new DiaException(DiaErrorKind.Input, "The text is empty.");
    }

    /// <summary>
    /// The codes of each item, and the frames of the longest with its padding. Each is encoded alone, cut to its own length rounded up to the hop: batching
    /// would let padding reach the codes.
    /// </summary>
    private (int[][,] Codes, int Frames) EncodeAudio(IReadOnlyList<AudioBuffer> audio, FeatureOptions? options)
    {
        if (Codec.Codebooks != _delayPattern.Length)
            throw new DiaException(DiaErrorKind.Model, $"The codec has {Codec.Codebooks} codebooks but the delay pattern has {_delayPattern.Length} channels.");
        for (int b = 0; b < audio.Count; b++)
            if (audio[b].Frames == 0)
                throw new DiaException(DiaErrorKind.Input, $"Audio {b} of the batch has no samples.");
        DiaFeatures features = FeatureExtractor.Extract(audio, options);
        int length = features.InputValues[0].Length, hop = FeatureExtractor.HopLength;
        if (length % hop != 0 || features.InputValues.Any(values => values.Length != length))
            throw new DiaException(DiaErrorKind.Input,
                $"The audio of the batch is not of one length that is a multiple of the hop, {hop} samples: set Padding or Truncation so that it becomes one.");
        var codes = new int[audio.Count][,];
        for (int b = 0; b < codes.Length; b++)
        {
            int samples = (features.PaddingMask[b].Sum() + hop - 1) / hop * hop;
            codes[b] = Codec.Encode(features.InputValues[b].AsSpan(0, samples));
            if (codes[b] is null || codes[b].GetLength(1) != _delayPattern.Length)
                throw new DiaException(DiaErrorKind.Model, $"The codec gave no codes, or not {_delayPattern.Length} for each frame.");
            foreach (int code in codes[b])
                if ((uint)code >= (uint)EosTokenId)
                    throw new DiaException(DiaErrorKind.Model,
                        $"The codec gave the code {code}, the model's codes go up to {EosTokenId - 1}: it needs its own codec.");
        }
        return (codes, length / Codec.HopLength);
    }

    private void CheckCodes(DiaInputs inputs, IReadOnlyList<int[,]> codes)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        ArgumentNullException.ThrowIfNull(codes);
        if (codes.Count != inputs.InputIds.GetLength(0))
            throw new DiaException(DiaErrorKind.Input,
                $"There are {inputs.InputIds.GetLength(0)} texts but {codes.Count} prompts; there must be one for each text.");
        if (codes.Contains(null!))
            throw new ArgumentException("One of the prompts is null.", nameof(codes));
        foreach (int[,] prompt in codes)
            Processing.DelayPattern.CheckChannels(prompt.GetLength(1), _delayPattern);
    }

    private DiaInputs Inputs(int[,] ids, int[,] textMask, (int[,,] Rows, int[,] Mask) all, bool outputLabels)
    {
        (int[,,] rows, int[,] mask) = all;
        int items = rows.GetLength(0);
        return new DiaInputs
        {
            InputIds = ids,
            AttentionMask = textMask,
            DecoderInputIds = outputLabels ? (int[,,])DropLast(rows, new int[items, rows.GetLength(1) - 1, rows.GetLength(2)]) : rows,
            DecoderAttentionMask = outputLabels ? (int[,])DropLast(mask, new int[items, mask.GetLength(1) - 1]) : mask,
            Labels = outputLabels ? BuildLabels(rows) : null,
        };
    }

    private (int[,,] Rows, int[,] Mask) BuildRows(int[][,] codes, bool generation, int fewestFrames) =>
        Processing.DelayPattern.BuildRows(codes, _delayPattern, BosTokenId, generation ? null : EosTokenId, PadTokenId, fewestFrames);

    /// <summary>The rows but the first, as [B · C, T], without what is not to be learned.</summary>
    private int[,] BuildLabels(int[,,] rows)
    {
        int channels = rows.GetLength(2), length = rows.GetLength(1) - 1;
        var labels = new int[rows.GetLength(0) * channels, length];
        for (int i = 0; i < labels.GetLength(0); i++)
        {
            for (int t = 0; t < length; t++)
            {
                int id = rows[i / channels, t + 1, i % channels];
                labels[i, t] = id == PadTokenId || id == BosTokenId ? IgnoredLabel : id;
            }
        }
        return labels;
    }

    /// <summary>Unfinished rows (cut before every channel got its delayed codes) leave special ids among the codes.</summary>
    private void CheckCodes(int[,] codes, int item, int start)
    {
        for (int t = 0; t < codes.GetLength(0); t++)
        {
            for (int c = 0; c < codes.GetLength(1); c++)
            {
                int id = codes[t, c];
                if (id < 0 || id == EosTokenId || id == PadTokenId || id == BosTokenId)
                {
                    throw new DiaException(
                        DiaErrorKind.Input,
                        $"Item {item}: frame {start + t}, channel {c} is {id}, which is no code: the rows end before the audio does. Generate more rows.");
                }
            }
        }
    }

    private static int[,] Item(int[,,] rows, int item)
    {
        var one = new int[rows.GetLength(1), rows.GetLength(2)];
        Buffer.BlockCopy(rows, item * one.Length * sizeof(int), one, 0, one.Length * sizeof(int));
        return one;
    }

    /// <summary>All rows of each item but the last, in <paramref name="cut"/>.</summary>
    private static Array DropLast(Array rows, Array cut)
    {
        int items = cut.GetLength(0), bytes = cut.Length / items * sizeof(int), stride = rows.Length / items * sizeof(int);
        for (int b = 0; b < items; b++)
            Buffer.BlockCopy(rows, b * stride, cut, b * bytes, bytes);
        return cut;
    }

    private static int[,] ToMatrix(int[][] rows)
    {
        var matrix = new int[rows.Length, rows[0].Length];
        for (int i = 0; i < rows.Length; i++)
            Buffer.BlockCopy(rows[i], 0, matrix, i * rows[i].Length * sizeof(int), rows[i].Length * sizeof(int));
        return matrix;
    }
}
