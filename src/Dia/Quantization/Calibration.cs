using Dia.Backends;
using Dia.Configuration;
using Dia.Generation;
using Dia.Graph;
using Dia.IO;
using Dia.Modeling;
using Dia.Networks;
using Dia.Weights;

namespace Dia.Quantization;

/// <summary>How far a calibration is.</summary>
/// <param name="What">What is done.</param>
/// <param name="Done">How much of it.</param>
/// <param name="Of">How much there is.</param>
public readonly record struct CalibrationProgress(string What, int Done, int Of);

/// <summary>
/// Integers and scales of a model's linear layers, chosen for the inputs that the model itself gives them while it speaks a script (<see cref="Gptq"/>). It
/// speaks the lines once, then goes over them as often as the sums of the layers' inputs fit into memory in parts, and rounds each layer. Ended in any way, it
/// goes on where it was, to the same bytes.
/// </summary>
public sealed unsafe class Calibration : IWeightQuantizer, IDisposable
{
    private const int SpokenTogether = 4;
    private const string Integers = "integers", Scales = "scales", ErrorKey = "error", EnergyKey = "energy", DampingKey = "damping";

    private readonly DiaForConditionalGeneration _model;
    private readonly CalibrationScript _script;
    private readonly CalibrationFiles _files;
    private readonly WeightStorage?[] _storages; // by the number of a weight; null: it is not rounded
    private readonly long _memory;
    private readonly int _threads;
    private readonly GenerationConfig _config;
    private readonly Dictionary<string, SafetensorsFile> _done = [];
    private SpokenLine[] _lines = [];

    /// <summary>Nothing is done yet.</summary>
    /// <param name="model">The model, on the processor; an adapter that is to be part of the weights is merged into them.</param>
    /// <param name="script">What it speaks.</param>
    /// <param name="storageOf">What a weight becomes; those that become floats are left as they are.</param>
    /// <param name="folder">A folder for what is done; it is made, and emptied by <see cref="DeleteFiles"/>.</param>
    /// <param name="memory">Most bytes for the sums of inputs; one layer's are always made. Null: half of what is free.</param>
    /// <param name="threads">Threads that round; they change nothing.</param>
    /// <exception cref="DiaException">Usage: no weight is rounded. Model: its weights are integers already. Device: the model is
    /// not in the processor's memory.</exception>
    public Calibration(DiaForConditionalGeneration model, CalibrationScript script, Func<WeightSpec, WeightStorage> storageOf, string folder, long? memory,
        int threads)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(script);
        ArgumentNullException.ThrowIfNull(storageOf);
        if (!model.Network.Memory.IsHost)
            throw new DiaException(DiaErrorKind.Device, "A calibration runs on the processor.");
        (_model, _script, _threads, _memory, _config) = (model, script, threads, memory ?? MemoryLimits.Available / 2, model.GenerationConfig());
        _storages = [.. model.Specs.Select(s => s.Role == WeightRole.Linear && storageOf(s) is { IsQuantized: true } storage ? storage : (WeightStorage?)null)];
        if (_storages.All(s => s is null))
            throw new DiaException(DiaErrorKind.Usage, "no weight becomes one of integers: there is nothing to calibrate.");
        if (model.Weights.IsQuantized)
            throw new DiaException(DiaErrorKind.Model, "the model's weights are integers already: take the checkpoint that it was made from.");
        _files = new CalibrationFiles(folder, Key());
    }

    /// <summary>What was strange but passes; complete after <see cref="Run"/>.</summary>
    public List<string> Warnings { get; } = [];

    /// <summary>The lines that were kept out, as the model spoke them; after <see cref="Run"/>.</summary>
    internal IReadOnlyList<SpokenLine> KeptOut => [.. _lines.Where((_, i) => CalibrationScript.IsKeptOut(i))];

    /// <summary>Does what is not done yet.</summary>
    /// <param name="progress">Told how far it is.</param>
    /// <param name="cancellationToken">Looked at before each line and each weight; what is done stays.</param>
    /// <exception cref="DiaException">Model: values that are not finite. Output: a file cannot be written. Device: no memory.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public void Run(Action<CalibrationProgress>? progress, CancellationToken cancellationToken)
    {
        _files.Lock();
        Speak(progress, cancellationToken);
        _model.UnconditionalCross(); // Once, and not within a pass over the lines.
        int[] shared = InputRecorder.SharedInputs(_model.Compiled.Operations(), _model.Specs.Length);
        int[][] parts = [.. Parts(Enumerable.Range(0, shared.Length).Where(i => _storages[i] is not null && !IsDone(i)).GroupBy(i => shared[i]))];
        int rounded = _storages.Count(s => s is not null) - parts.Sum(p => p.Length), all = rounded + parts.Sum(p => p.Length);
        for (int part = 0; part < parts.Length; part++)
        {
            var hessians = new Hessian?[shared.Length];
            try
            {
                foreach (int input in parts[part].Select(i => shared[i]).Distinct())
                    hessians[input] = new Hessian(_model.Specs[input].Columns, _threads);
                Record(hessians, $"pass {part + 1} of {parts.Length}, line", progress, cancellationToken);
                foreach (IGrouping<int, int> layers in parts[part].GroupBy(i => shared[i]))
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    progress?.Invoke(new CalibrationProgress("weight", rounded, all));
                    Round(hessians[layers.Key]!, layers);
                    rounded += layers.Count();
                    hessians[layers.Key]!.Dispose();
                    hessians[layers.Key] = null;
                }
            }
            finally
            {
                foreach (Hessian? hessian in hessians)
                    hessian?.Dispose();
            }
        }

        ReadWarnings();
    }

    /// <summary>How well a weight was rounded, of its results on the script; null: it was not.</summary>
    /// <param name="name">The weight's name.</param>
    public double? RelativeError(string name) => Done(name) is { } file
        ? new RoundingError(Number(file, ErrorKey), Number(file, EnergyKey)).Relative : null;

    /// <summary>How far another model, made with this, is from the one that was calibrated, over the lines that were kept out; null: there are none.</summary>
    /// <exception cref="DiaException">Model: values that are not finite. Device: no memory.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public SpeechDivergence? Compare(DiaForConditionalGeneration model, Action<CalibrationProgress>? progress, CancellationToken cancellationToken) =>
        KeptOut is { Count: > 0 } lines ? SpeechDivergence.Between(_model, model, lines, progress, cancellationToken) : null;

    /// <inheritdoc/>
    public void Quantize(WeightSpec spec, WeightStorage storage, WeightFormat source, int first, ReadOnlySpan<float> rows, Span<sbyte> integers,
        Span<float> scales)
    {
        ArgumentNullException.ThrowIfNull(spec);
        SafetensorsFile file = Done(spec.Name) ?? throw new InvalidOperationException($"{spec.Name} was not calibrated.");
        int k = spec.Columns, groups = storage.Groups(k), count = rows.Length / k;
        new ReadOnlySpan<sbyte>(file[Integers].Data + (long)first * k, count * k).CopyTo(integers);
        new ReadOnlySpan<float>(file[Scales].Data + (long)first * groups * sizeof(float), count * groups).CopyTo(scales);
    }

    /// <summary>Deletes what another calibration has kept in a folder, unless it is at work there.</summary>
    /// <param name="folder">The folder.</param>
    public static void Forget(string folder)
    {
        if (!Directory.Exists(folder))
            return;
        using var files = new CalibrationFiles(folder, "");
        try
        {
            files.Lock();
            files.Delete();
        }
        catch (Exception e) when (e is DiaException or IOException or UnauthorizedAccessException)
        {
            // It stays, and is nobody's trouble.
        }
    }

    /// <summary>Deletes what was kept, once it is used.</summary>
    public void DeleteFiles()
    {
        Close();
        _files.Delete();
        _files.Dispose();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Close();
        _files.Dispose();
    }

    private void Close()
    {
        foreach (SafetensorsFile file in _done.Values)
            file.Dispose();
        _done.Clear();
    }

    /// <summary>Has the model speak all lines as it does by itself; each has draws of its own.</summary>
    private void Speak(Action<CalibrationProgress>? progress, CancellationToken cancellationToken)
    {
        var lines = new List<SpokenLine>();
        int channels = _model.Config.DecoderConfig.NumChannels;
        for (int first = 0; first < _script.Lines.Count; first += SpokenTogether)
        {
            progress?.Invoke(new CalibrationProgress("speaking line", first, _script.Lines.Count));
            string part = string.Create(CultureInfo.InvariantCulture, $"speech-{first:00000}");
            int count = Math.Min(SpokenTogether, _script.Lines.Count - first);
            if (Spoken(part, first, count) is { } before)
            {
                lines.AddRange(before);
                continue;
            }

            SpokenLine[] spoken = SpokenLine.Speak(_model, [.. _script.Lines.Skip(first).Take(count)], _config with { Seed = (ulong)first }, cancellationToken);
            _files.Keep(part, [.. spoken.Select((l, i) => new SafetensorsArray(Name(i), [l.Rows.Length / channels, channels], l.Rows))]);
            lines.AddRange(spoken);
        }

        _lines = [.. lines];
    }

    /// <summary>Lines that were spoken before; null: they were not, or the file is damaged.</summary>
    private SpokenLine[]? Spoken(string part, int first, int count)
    {
        using SafetensorsFile? file = _files.Find(part);
        DiaDecoderConfig d = _model.Config.DecoderConfig;
        var lines = new SpokenLine[count];
        for (int i = 0; i < count; i++)
        {
            if (file?.Tensors.GetValueOrDefault(Name(i)) is not { DType: SafetensorsDType.I32, Shape: [> 0, _] } tensor || tensor.Shape[1] != d.NumChannels)
                return null;
            lines[i] = new SpokenLine(_script.Lines[first + i], _script.Lines[first + i].Ids, tensor.ToInt32());
            if (lines[i].Rows.Any(id => id < 0 || id >= d.VocabSize))
                return null;
        }

        return lines;
    }

    private static string Name(int i) => i.ToString(CultureInfo.InvariantCulture);

    /// <summary>Sums the inputs of weights over all lines that are not kept out.</summary>
    private void Record(Hessian?[] hessians, string what, Action<CalibrationProgress>? progress, CancellationToken cancellationToken)
    {
        bool head = Enumerable.Range(0, hessians.Length).Any(i => hessians[i] is not null && _model.Compiled.IsHead(i));
        Action<DecoderPass> see = head ? pass => SpokenLine.Logits(_model, pass, pass.Rows, null) : _ => { };
        using var recorder = new InputRecorder(hessians);
        using (_model.Tenant.Enter())
            _model.Network.Adapter = recorder;
        try
        {
            for (int line = 0; line < _lines.Length; line++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                progress?.Invoke(new CalibrationProgress(what, line, _lines.Length));
                if (!CalibrationScript.IsKeptOut(line))
                    _lines[line].Run(_model, _config.UsesGuidance, see);
            }
        }
        finally
        {
            using (_model.Tenant.Enter())
                _model.Network.Adapter = null;
        }
    }

    /// <summary>Rounds weights that share an input, and keeps them.</summary>
    private void Round(Hessian hessian, IEnumerable<int> weights)
    {
        double damping;
        try
        {
            damping = hessian.Factor();
        }
        catch (DiaException e)
        {
            throw new DiaException(e.Kind, $"{string.Join(", ", weights.Select(i => _model.Specs[i].Name))}: {e.Message}", e);
        }

        foreach (int i in weights)
        {
            WeightSpec spec = _model.Specs[i];
            WeightStorage storage = _storages[i]!.Value;
            int n = spec.Shape[0], k = spec.Columns, groups = storage.Groups(k);
            sbyte[] integers = new sbyte[(long)n * k];
            float[] scales = new float[(long)n * groups];
            RoundingError error;
            fixed (sbyte* q = integers)
            fixed (float* s = scales)
                error = Gptq.Round(_model.Weights.Weights[i], n, hessian, storage, q, s, _threads);
            var bytes = new SafetensorsArray(Integers, [n, k], MemoryMarshal.Cast<sbyte, byte>(integers).ToArray());
            _files.Keep(PartOf(i), [bytes, new SafetensorsArray(Scales, [n, groups], scales)],
                new() { [ErrorKey] = Text(error.Error), [EnergyKey] = Text(error.Energy), [DampingKey] = Text(damping) });
        }
    }

    /// <summary>Parts of weights whose sums of inputs are in memory together: those that share an input stay together.</summary>
    private IEnumerable<int[]> Parts(IEnumerable<IGrouping<int, int>> inputs)
    {
        var part = new List<int>();
        long bytes = 0;
        foreach (IGrouping<int, int> weights in inputs)
        {
            long more = Hessian.Bytes(_model.Specs[weights.Key].Columns);
            if (part.Count > 0 && bytes + more > _memory)
            {
                yield return [.. part];
                part.Clear();
                bytes = 0;
            }

            part.AddRange(weights);
            bytes += more;
        }

        if (part.Count > 0)
            yield return [.. part];
    }

    private void ReadWarnings()
    {
        foreach (WeightSpec spec in _model.Specs)
            if (Done(spec.Name) is { } file && Number(file, DampingKey) is var damping && damping > Hessian.UsualDamping)
                Warnings.Add(string.Create(CultureInfo.InvariantCulture,
                    $"{spec.Name}: its inputs are too alike to be told apart, so it was calibrated with a damping of {damping} where {Hessian.UsualDamping} is usual. More lines help."));
    }

    private SafetensorsFile? Done(string name)
    {
        if (_done.TryGetValue(name, out SafetensorsFile? file))
            return file;
        int weight = Array.FindIndex(_model.Specs, s => s.Name == name);
        if (weight < 0 || _storages[weight] is not { } storage || _files.Find(PartOf(weight)) is not { } found)
            return null;
        if (IsWhole(found, _model.Specs[weight], storage))
            return _done[name] = found;
        found.Dispose(); // It is made again.
        return null;
    }

    private static bool IsWhole(SafetensorsFile file, WeightSpec spec, WeightStorage storage)
    {
        if (!Has(file, Integers, SafetensorsDType.U8, spec.Shape[0], spec.Columns)
            || !Has(file, Scales, SafetensorsDType.F32, spec.Shape[0], storage.Groups(spec.Columns)))
            return false;
        int most = (int)RoundToNearest.HalfRange(storage.Format); // 7 or 127
        return !new ReadOnlySpan<sbyte>(file[Integers].Data, checked((int)spec.Count)).ContainsAnyExceptInRange((sbyte)(-most - 1), (sbyte)most)
            && Array.TrueForAll(file[Scales].ToSingle(), s => s >= 0 && float.IsFinite(s));
    }

    private static bool Has(SafetensorsFile file, string name, SafetensorsDType type, params long[] shape) =>
        file.Tensors.GetValueOrDefault(name) is { } tensor && tensor.DType == type && tensor.Shape.AsSpan().SequenceEqual(shape);

    private bool IsDone(int weight) => Done(_model.Specs[weight].Name) is not null;

    private static string PartOf(int weight) => string.Create(CultureInfo.InvariantCulture, $"weight-{weight:00000}");

    private static string Text(double value) => value.ToString("R", CultureInfo.InvariantCulture);

    private static double Number(SafetensorsFile file, string key) =>
        double.TryParse(file.Metadata.GetValueOrDefault(key), NumberStyles.Float, CultureInfo.InvariantCulture, out double value) ? value : 0;

    /// <summary>A hash of all that results depend on: the model, how it speaks, what each weight becomes, the script.</summary>
    private string Key()
    {
        var text = new StringBuilder().Append(_config);
        foreach (CalibrationLine line in _script.Lines)
            text.Append('\n').Append(line.Piece.Text).Append(line.Voice is { } voice ? $"\0{voice.Transcript}\0{string.Join(' ', voice.Codes.Cast<int>())}" : "");
        foreach (WeightStorage? storage in _storages)
            text.Append('\n').Append(storage);
        return Convert.ToHexStringLower(Sha256.Hash([.. Encoding.UTF8.GetBytes(text.ToString()), .. _model.Hash()]));
    }
}
