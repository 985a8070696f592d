namespace Dia.Configuration;

/// <summary>What rotates the queries and keys of an encoder or decoder.</summary>
/// <param name="Theta">Base of the frequencies.</param>
/// <param name="Scaling">How they are stretched; null: not at all.</param>
/// <param name="OriginalPositions">What longrope takes in place of max_position_embeddings; null: nothing.</param>
internal sealed record RopeConfig(double Theta, RopeScaling? Scaling, int? OriginalPositions);

/// <summary>
/// Reads how positions are rotated, in either spelling: <c>rope_theta</c>, <c>rope_scaling</c> and <c>original_max_position_embeddings</c>,
/// or all of them inside <c>rope_parameters</c> (Transformers 5). The result is in the terms of the older, so that both give one class.
/// </summary>
internal static class RopeParser
{
    /// <param name="file">The encoder's or decoder's part.</param>
    /// <param name="c">What is read of it: rope_theta and the lengths as they stand beside.</param>
    /// <param name="thetas">The range of rope_theta.</param>
    public static RopeConfig Read(ObjectReader file, DiaStackConfig c, FieldType<double> thetas)
    {
        int positions = c.MaxPositionEmbeddings;
        int? beside = c.OriginalMaxPositionEmbeddings;
        RopeScaling? scaling = file.Object("rope_scaling") is null
            ? null
            : RopeScalingParser.Read(file.Section("rope_scaling"), new RopePlace(c.HeadDim, c.RopeTheta, positions, beside, IsNewer: false));
        var older = new RopeConfig(c.RopeTheta, Plain(scaling, positions), beside);
        return file.Object("rope_parameters") is null ? older : ReadNewer(file, file.Section("rope_parameters"), c.HeadDim, positions, older, thetas);
    }

    private static RopeConfig ReadNewer(ObjectReader file, ObjectReader newer, int headDim, int positions, RopeConfig older, FieldType<double> thetas)
    {
        int errors = file.Problems.ErrorCount;
        int? inside = newer.Optional("original_max_position_embeddings", null, FieldType.Length);
        double theta = newer.Value("rope_theta", older.Theta, thetas);
        var place = new RopePlace(headDim, theta, positions, inside ?? older.OriginalPositions ?? positions, IsNewer: true);
        RopeScaling? scaling = RopeScalingParser.Read(newer, place);
        if (file.Problems.ErrorCount > errors)
            return older;
        RopeConfig rope = scaling is { RopeType: RopeType.LongRope }
            ? LongRope(theta, scaling, positions, place.Original!.Value)
            : new RopeConfig(theta, Plain(scaling, positions), older.OriginalPositions);

        // What is said twice must be the same: the versions of the reference differ in which of the two they take.
        if (file.Has("rope_theta") && older.Theta != theta)
            Contradicts(newer, "rope_theta", file, "rope_theta");
        if (inside is not null && older.OriginalPositions is { } beside && inside != beside)
            Contradicts(newer, "original_max_position_embeddings", file, "original_max_position_embeddings");
        if (file.Has("rope_scaling") && (older.Scaling != rope.Scaling || (older.OriginalPositions ?? positions) != (rope.OriginalPositions ?? positions)))
            Contradicts(file, "rope_parameters", file, "rope_scaling");
        return rope;
    }

    /// <summary>
    /// longrope inside rope_parameters takes the original length from there, and the factor where it is given even beside such a length;
    /// the older spelling divides the two lengths then. Where that is another number, the attention factor that follows is stated.
    /// </summary>
    private static RopeConfig LongRope(double theta, RopeScaling scaling, int positions, int original)
    {
        if (original == positions)
            return new RopeConfig(theta, scaling with { Factor = scaling.Factor ?? (scaling.AttentionFactor is null ? 1 : null) }, null);
        if (scaling is { Factor: { } factor, AttentionFactor: null } && factor != (double)positions / original)
            scaling = scaling with { AttentionFactor = factor <= 1 ? 1 : Math.Sqrt(1 + Math.Log(factor) / Math.Log(original)) };
        return new RopeConfig(theta, scaling, original);
    }

    /// <summary>yarn's original length is max_position_embeddings where none is given; the newer spelling always gives one.</summary>
    private static RopeScaling? Plain(RopeScaling? scaling, int positions) =>
        scaling is { RopeType: RopeType.Yarn } && scaling.OriginalMaxPositionEmbeddings == positions
            ? scaling with { OriginalMaxPositionEmbeddings = null }
            : scaling;

    private static void Contradicts(ObjectReader file, string key, ObjectReader other, string otherKey) =>
        file.Error(ProblemIds.Contradiction, key, $"contradicts {other.Path(otherKey)}; say it once");
}
