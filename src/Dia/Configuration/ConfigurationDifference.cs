namespace Dia.Configuration;

/// <summary>One value in which two configurations differ.</summary>
/// <param name="Path">The key's path in config.json, such as <c>decoder_config.num_hidden_layers</c>.</param>
/// <param name="First">The first configuration's value as JSON would write it.</param>
/// <param name="Second">The second's.</param>
public sealed record ConfigurationDifference(string Path, string First, string Second)
{
    /// <summary>
    /// What differs between two models, in the order of the fields. Left out is what is not compiled in: <c>initializer_range</c>,
    /// <c>use_cache</c>, <c>is_encoder_decoder</c> and the model's own <c>norm_eps</c>. Empty: one compiled class serves both.
    /// </summary>
    public static IReadOnlyList<ConfigurationDifference> Between(DiaConfig first, DiaConfig second) =>
        [.. Between(FieldList.Of(first), FieldList.Of(second), "")];

    /// <summary>
    /// What differs between two codecs, in the order of the fields. Left out is what only training uses (dropout, loss weights)
    /// and what follows from other fields. Empty: one compiled class serves both.
    /// </summary>
    public static IReadOnlyList<ConfigurationDifference> Between(DacConfig first, DacConfig second) =>
        [.. Between(FieldList.Of(first), FieldList.Of(second), "")];

    private static IEnumerable<ConfigurationDifference> Between(IReadOnlyList<Field> first, IReadOnlyList<Field> second, string path) =>
        first.Zip(second, (a, b) => a.Parts is not null ? Between(a.Parts, b.Parts!, $"{path}{a.Key}.")
            : a.IsComputed && a.Text != b.Text ? [new ConfigurationDifference(path + a.Key, a.Text, b.Text)] : []).SelectMany(d => d);
}
