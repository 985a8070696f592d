namespace Dia.Cli;

/// <summary>Text for people, the same in every language setting.</summary>
internal static class Format
{
    /// <summary>An interpolated string in the invariant culture.</summary>
    public static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    /// <summary>Where the time of speaking went.</summary>
    public static string Times(SpeechTimes times) =>
        Text($"encoder {times.Encoder.TotalSeconds:0.000} s, prompt {times.Prompt.TotalSeconds:0.000} s, steps {times.Steps.TotalSeconds:0.000} s, codec {times.Codec.TotalSeconds:0.000} s");

    /// <summary>Bytes with a unit.</summary>
    public static string Bytes(long bytes) => bytes switch
    {
        >= 1L << 30 => Text($"{bytes / (double)(1L << 30):0.00} GiB"),
        >= 1L << 20 => Text($"{bytes / (double)(1L << 20):0.0} MiB"),
        >= 1L << 10 => Text($"{bytes / (double)(1L << 10):0.0} KiB"),
        _ => Text($"{bytes} B"),
    };
}
