namespace Dia.Configuration;

/// <summary>Reads <c>config.json</c> of a DAC codec. The same code runs in the compiler and in the program.</summary>
public static class DacConfigParser
{
    private const int MaxRatios = 16;
    private const int MaxHop = 1 << 20;

    /// <summary>The configuration in a file's text, and everything that is wrong with it.</summary>
    /// <param name="json">The file's text.</param>
    public static ConfigurationResult<DacConfig> Parse(string json)
    {
        var problems = new ProblemList(ProblemSeverity.Error);
        ObjectReader? file = ConfigurationFile.Open(json, "dac", problems);
        if (file is null)
            return problems.Result<DacConfig>(null);

        var defaults = new DacConfig();
        int[]? ratios = file.Integers("downsampling_ratios", 1, MaxHop);
        var config = new DacConfig
        {
            EncoderHiddenSize = Checks.Size(file, "encoder_hidden_size", defaults.EncoderHiddenSize),
            DownsamplingRatios = ratios ?? defaults.DownsamplingRatios.ToArray(),
            DecoderHiddenSize = Checks.Size(file, "decoder_hidden_size", defaults.DecoderHiddenSize),
            NCodebooks = file.Integer("n_codebooks", defaults.NCodebooks, 1, 1024),
            CodebookSize = Checks.Size(file, "codebook_size", defaults.CodebookSize),
            CodebookDim = Checks.Size(file, "codebook_dim", defaults.CodebookDim),
            QuantizerDropout = file.Number("quantizer_dropout", defaults.QuantizerDropout, x => x is >= 0 and <= 1, "a number from 0 to 1"),
            CommitmentLossWeight = Checks.NotNegative(file, "commitment_loss_weight", defaults.CommitmentLossWeight),
            CodebookLossWeight = Checks.NotNegative(file, "codebook_loss_weight", defaults.CodebookLossWeight),
            SamplingRate = file.Integer("sampling_rate", defaults.SamplingRate, 1, 1 << 24),
        };
        if ((config.CodebookSize & (config.CodebookSize - 1)) != 0)
            file.Error(ProblemIds.OutOfRange, "codebook_size", FormattableString.Invariant($"must be a power of two, not {config.CodebookSize}"));
        CheckDerived(file, config, ratios is not null || !file.Has("downsampling_ratios"));
        GeneralKeys.CheckSwitches(file);
        file.Finish(GeneralKeys.Contains, computed: true);
        return problems.Result(config);
    }

    /// <summary>The values that a file may state though they follow from others, and the shapes that follow from the ratios.</summary>
    private static void CheckDerived(ObjectReader file, DacConfig config, bool ratiosKnown)
    {
        int hiddenSize = Checks.Size(file, "hidden_size", 0);
        int hopLength = file.Integer("hop_length", 0, 1, MaxHop);
        int[]? upsampling = file.Integers("upsampling_ratios", 1, MaxHop);
        if (!ratiosKnown || !CheckRatios(file, config))
            return;

        if (hiddenSize != 0 && hiddenSize != config.HiddenSize)
            file.Error(ProblemIds.Contradiction, "hidden_size", FormattableString.Invariant($"is {hiddenSize} where encoder_hidden_size and downsampling_ratios give {config.HiddenSize}"));
        if (hopLength != 0 && hopLength != config.HopLength)
            file.Error(ProblemIds.Contradiction, "hop_length", FormattableString.Invariant($"is {hopLength} where downsampling_ratios give {config.HopLength}"));
        if (upsampling is not null && config.UpsamplingRatios != upsampling)
            file.Error(ProblemIds.Contradiction, "upsampling_ratios", "must be downsampling_ratios reversed, " + string.Join(", ", config.UpsamplingRatios));

        CheckTensors(file, config);
    }

    private static bool CheckRatios(ObjectReader file, DacConfig config)
    {
        if (config.DownsamplingRatios.Length is 0 or > MaxRatios)
        {
            file.Error(ProblemIds.OutOfRange, "downsampling_ratios", FormattableString.Invariant($"must have from 1 to {MaxRatios} entries, not {config.DownsamplingRatios.Length}"));
            return false;
        }
        long hop = 1;
        foreach (int ratio in config.DownsamplingRatios)
            hop = Math.Min(hop * ratio, MaxHop + 1L);
        if (hop > MaxHop)
            file.Error(ProblemIds.TooLarge, "downsampling_ratios", FormattableString.Invariant($"their product, the samples per frame, is more than {MaxHop}"));
        if ((long)config.EncoderHiddenSize << config.DownsamplingRatios.Length > Checks.MaxSize)
        {
            file.Error(ProblemIds.TooLarge, "encoder_hidden_size", FormattableString.Invariant($"doubled by each ratio it is more than {Checks.MaxSize}"));
            return false;
        }
        if (config.DecoderHiddenSize >> config.DownsamplingRatios.Length == 0)
            file.Error(ProblemIds.Contradiction, "decoder_hidden_size", FormattableString.Invariant($"{config.DecoderHiddenSize} halved by each of {config.DownsamplingRatios.Length} ratios leaves no channel"));
        return hop <= MaxHop;
    }

    private static void CheckTensors(ObjectReader file, DacConfig config)
    {
        int errors = file.Problems.ErrorCount;
        Checks.Tensor(file, "codebook_size", "a codebook", config.CodebookSize, config.CodebookDim);
        Checks.Tensor(file, "codebook_dim", "a quantizer's projection", config.CodebookDim, config.HiddenSize);
        Checks.Tensor(file, "decoder_hidden_size", "decoder.conv1", config.DecoderHiddenSize, config.HiddenSize, 7);
        Checks.Tensor(file, "encoder_hidden_size", "encoder.conv2", config.HiddenSize, config.HiddenSize, 3);
        int encoder = config.EncoderHiddenSize;
        int decoder = config.DecoderHiddenSize;
        for (int i = 0; i < config.DownsamplingRatios.Length && file.Problems.ErrorCount == errors; i++)
        {
            Checks.Tensor(file, "downsampling_ratios", "a convolution of the encoder", encoder * 2, encoder, 2 * config.DownsamplingRatios[i]);
            Checks.Tensor(file, "encoder_hidden_size", "a residual unit of the encoder", encoder, encoder, 7);
            Checks.Tensor(file, "downsampling_ratios", "a transposed convolution", decoder, decoder / 2, 2 * config.UpsamplingRatios[i]);
            Checks.Tensor(file, "decoder_hidden_size", "a residual unit of the decoder", decoder / 2, decoder / 2, 7);
            encoder *= 2;
            decoder /= 2;
        }
    }
}
