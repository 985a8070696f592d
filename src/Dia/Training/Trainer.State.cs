using Dia.Weights;

namespace Dia.Training;

// The file that a training is gone on with.
public sealed unsafe partial class Trainer
{
    /// <summary>What the file is called in the folder of a training.</summary>
    public const string StateFileName = "training.safetensors";

    private const string Format = "dia-training-1", FormatKey = "format", StepsKey = "steps", BestKey = "best_loss", BestStepKey = "best_step", EvaluatedKey = "evaluated_step",
        ModelKey = "model", AdapterKey = "adapter", DataKey = "data", OptionPrefix = "option.";

    private const int SampledBytes = 1 << 12; // of each weight

    private readonly string _modelHash;

    /// <summary>
    /// Writes all that the next step depends on into one file: the weights that are trained, in float32, the optimizer's means, the counters. It appears
    /// once it is complete.
    /// </summary>
    /// <exception cref="DiaException">Output: it cannot be written.</exception>
    /// <exception cref="ObjectDisposedException">This, the model or its device is disposed.</exception>
    public void Save(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        var metadata = new Dictionary<string, string>
        {
            [FormatKey] = Format, [StepsKey] = Text(Steps), [BestKey] = Text(BestLoss), [BestStepKey] = Text(BestStep),
            [EvaluatedKey] = Text(EvaluatedStep), [ModelKey] = _modelHash, [AdapterKey] = AdapterText, [DataKey] = HashOfData(),
        };
        foreach ((string name, string value) in Options.Values)
            metadata[OptionPrefix + name] = value;
        using SafetensorsWriter writer = SafetensorsWriter.Create(path, _optimizer.StateEntries(), metadata);
        _optimizer.WriteState(writer);
        writer.Commit();
    }

    /// <summary>Goes on with what <see cref="Save"/> wrote. More steps may be asked for than were; all else must be as it was.</summary>
    /// <param name="path">The file.</param>
    /// <param name="hasOtherData">Whether the examples are not those of the training so far.</param>
    /// <exception cref="DiaException">Model: it is missing, malformed, or of a training of another model or with other options.</exception>
    /// <exception cref="ObjectDisposedException">This, the model or its device is disposed.</exception>
    public void Restore(string path, out bool hasOtherData)
    {
        ArgumentNullException.ThrowIfNull(path);
        using var file = SafetensorsFile.Open(path);
        if (Of(FormatKey) != Format)
            throw new DiaException(DiaErrorKind.Model, $"{path} is no training that can be gone on with.");
        if (Of(ModelKey) != _modelHash)
            throw new DiaException(DiaErrorKind.Model, $"{path} is a training of another model: name the one that it began with.");
        if (Of(AdapterKey) != AdapterText)
            throw new DiaException(DiaErrorKind.Usage, $"{path} began {(Of(AdapterKey).Length == 0 ? "without an adapter" : AdapterText.Length == 0 ? "with an adapter" : "with an adapter of other settings")}: go on as it began, or begin anew.");
        foreach ((string name, string value) in Options.Values)
            if (Of(OptionPrefix + name) != value)
                throw new DiaException(DiaErrorKind.Usage, $"{path} began with {name} {Of(OptionPrefix + name)}, not {value}: go on as it began, or begin anew.");
        int steps = Count(StepsKey, 0), bestStep = Count(BestStepKey, 0), evaluatedStep = Count(EvaluatedKey, -1);
        _optimizer.ReadState(file, steps);
        bool hasBest = double.TryParse(Of(BestKey), NumberStyles.Float, CultureInfo.InvariantCulture, out double best);
        (BestLoss, BestStep, EvaluatedStep) = (hasBest ? best : null, bestStep, evaluatedStep);
        hasOtherData = Of(DataKey) != HashOfData();

        string Of(string key) => file.Metadata.GetValueOrDefault(key, "");

        int Count(string key, int lowest) =>
            int.TryParse(Of(key), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int count) && count >= lowest
                ? count : throw new DiaException(DiaErrorKind.Model, $"{path} does not say how many steps were done: it is damaged.");
    }

    private string AdapterText => _model.Adapter?.ToJson() ?? "";

    private static string Text(double? value) => value?.ToString("R", CultureInfo.InvariantCulture) ?? "";

    /// <summary>Tells one model from another: a hash of its weights' first bytes.</summary>
    private string HashOfWeights()
    {
        using Lock.Scope turn = _model.Tenant.Enter();
        List<byte> all = [.. Encoding.UTF8.GetBytes(Configuration.CanonicalJson.Write(_model.Config))];
        for (int i = 0; i < _model.Specs.Length; i++)
        {
            StoredWeight weight = _model.Weights.Weights[i];
            all.AddRange(new ReadOnlySpan<byte>(weight.Data, (int)Math.Min(SampledBytes, WeightFormats.Bytes(weight.Format, _model.Specs[i].Count))));
        }

        return Convert.ToHexStringLower(IO.Sha256.Hash(CollectionsMarshal.AsSpan(all)));
    }

    private string HashOfData()
    {
        var all = new List<byte>();
        foreach (TrainingExample example in _examples.Concat(_heldOut))
        {
            all.AddRange(BitConverter.GetBytes(example.Share));
            all.AddRange(BitConverter.GetBytes(example.Frames));
            all.AddRange(IO.Sha256.Hash(Encoding.UTF8.GetBytes(example.Text)));
        }

        return Convert.ToHexStringLower(IO.Sha256.Hash(CollectionsMarshal.AsSpan(all)));
    }
}
