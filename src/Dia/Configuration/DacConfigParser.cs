namespace Dia.Configuration;

/// <summary>Reads <c>config.json</c> of a DAC codec. The same code runs in the compiler and in the program.</summary>
public static class DacConfigParser
{
    private const int MaxRatios = 16;

    /// <summary>The configuration in a file's text, and everything that is wrong with it.</summary>
    /// <param name="json">The file's text.</param>
    public static ConfigurationResult<DacConfig> Parse(string json) => Parse(ConfigurationFile.Read(json));

    /// <summary>The same of a file that is read.</summary>
    public static ConfigurationResult<DacConfig> Parse(ConfigurationFile file) => file.Parse("dac", ProblemSeverity.Error, Read);

    private static DacConfig Read(ObjectReader file)
    {
        var config = new DacConfig(new DacConfig(), file);
        if ((config.CodebookSize & (config.CodebookSize - 1)) != 0)
            file.Error(ProblemIds.OutOfRange, "codebook_size", FormattableString.Invariant($"must be a power of two, not {config.CodebookSize}"));
        CheckDerived(file, config);
        GeneralKeys.CheckSwitches(file);
        file.Finish(GeneralKeys.Contains, computed: true);
        return config;
    }

    /// <summary>The values that a file may state though they follow from others, and the shapes that follow from the ratios.</summary>
    private static void CheckDerived(ObjectReader file, DacConfig config)
    {
        int hiddenSize = file.Value("hidden_size", 0, FieldType.Size);
        int hopLength = file.Value("hop_length", 0, DacConfig.Hop);
        EquatableArray<int> upsampling = file.List("upsampling_ratios", config.UpsamplingRatios, DacConfig.Hop);
        if (file.IsWrong("downsampling_ratios") || !CheckRatios(file, config))
            return;

        if (hiddenSize != 0 && hiddenSize != config.HiddenSize)
            file.Error(ProblemIds.Contradiction, "hidden_size",
                FormattableString.Invariant($"is {hiddenSize} where encoder_hidden_size and downsampling_ratios give {config.HiddenSize}"));
        if (hopLength != 0 && hopLength != config.HopLength)
            file.Error(ProblemIds.Contradiction, "hop_length",
                FormattableString.Invariant($"is {hopLength} where downsampling_ratios give {config.HopLength}"));
        if (config.UpsamplingRatios != upsampling)
            file.Error(ProblemIds.Contradiction, "upsampling_ratios", "must be downsampling_ratios reversed, " + string.Join(", ", config.UpsamplingRatios));

        CheckTensors(file, config);
    }

    private static bool CheckRatios(ObjectReader file, DacConfig config)
    {
        if (config.DownsamplingRatios.Length is 0 or > MaxRatios)
        {
            file.Error(ProblemIds.OutOfRange, "downsampling_ratios",
                FormattableString.Invariant($"must have from 1 to {MaxRatios} entries, not {config.DownsamplingRatios.Length}"));
            return false;
        }
        long hop = 1;
        foreach (int ratio in config.DownsamplingRatios)
            hop = Math.Min(hop * ratio, DacConfig.MaxHop + 1L);
        if (hop > DacConfig.MaxHop)
            file.Error(ProblemIds.TooLarge, "downsampling_ratios",
                FormattableString.Invariant($"their product, the samples per frame, is more than {DacConfig.MaxHop}"));
        if ((long)config.EncoderHiddenSize << config.DownsamplingRatios.Length > FieldType.MaxSize)
        {
            file.Error(ProblemIds.TooLarge, "encoder_hidden_size", FormattableString.Invariant($"doubled by each ratio it is more than {FieldType.MaxSize}"));
            return false;
        }
        if (config.DecoderHiddenSize >> config.DownsamplingRatios.Length == 0)
            file.Error(ProblemIds.Contradiction, "decoder_hidden_size",
                FormattableString.Invariant($"{config.DecoderHiddenSize} halved by each of {config.DownsamplingRatios.Length} ratios leaves no channel"));
        return hop <= DacConfig.MaxHop;
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
