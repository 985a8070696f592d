using Dia.Audio;
using Dia.Codec;
using Dia.Configuration;
using Dia.IO;
using Dia.Speech;
using Dia.Text;

namespace Dia.Training;

/// <summary>The recordings of a manifest, each looked at: what can be learned from, what not and why, and what is strange.</summary>
public sealed class TrainingData
{
    /// <summary>Characters that are spoken in a second at most; a transcript with more is likely another recording's.</summary>
    public const double MostCharactersPerSecond = 2 * ScriptSplitter.CharactersPerSecond;

    /// <summary>Characters that are spoken in a second at least, but for one second of silence. Chinese has four in a second.</summary>
    public const double FewestCharactersPerSecond = 2;

    // A minute of 24 channels at 96 kHz; what a model can learn from is shorter.
    private const long MaxRecordingBytes = 1 << 29;

    private readonly DiaConfig _model;
    private readonly DacConfig _codec;
    private readonly CodesCache? _cache;
    private readonly List<Recording> _recordings = [];
    private readonly List<DataProblem> _bad, _remarks = [];

    private TrainingData(DataManifest manifest, DiaConfig model, DacConfig codec, CodesCache? cache) =>
        (_model, _codec, _cache, _bad) = (model, codec, cache, [.. manifest.Problems]);

    /// <summary>What cannot be learned from.</summary>
    public IReadOnlyList<DataProblem> Bad => _bad;

    /// <summary>What can, and may not be what is meant.</summary>
    public IReadOnlyList<DataProblem> Remarks => _remarks;

    /// <summary>Recordings that can be learned from.</summary>
    public int Count => _recordings.Count;

    /// <summary>Recordings whose codes were not in the cache.</summary>
    public int Missing => _recordings.Count(r => r.Codes is null);

    /// <summary>Frames of the longest recording that can be learned from; 0: there is none.</summary>
    public int MostFrames => _recordings.Select(r => r.Frames).DefaultIfEmpty().Max();

    /// <summary>Ids of the longest transcript of those; 0: there is none.</summary>
    public int MostIds => _recordings.Select(r => r.Ids).DefaultIfEmpty().Max();

    /// <summary>Seconds of sound of the recordings that can be learned from.</summary>
    public double Seconds => _recordings.Sum(r => r.Frames / _codec.FrameRate);

    /// <summary>Reads every recording but those whose codes are in the cache, and encodes none.</summary>
    /// <param name="manifest">Which.</param>
    /// <param name="model">The model that is to learn.</param>
    /// <param name="codec">Its codec's configuration.</param>
    /// <param name="cache">Codes that are there; null: all are looked at.</param>
    /// <param name="progress">Told after each recording how many there were.</param>
    /// <param name="cancellationToken">Looked at before each.</param>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static TrainingData Read(DataManifest manifest, DiaConfig model, DacConfig codec, CodesCache? cache = null, Action<int>? progress = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(manifest);
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(codec);
        var data = new TrainingData(manifest, model, codec, cache);
        var tokenizer = new DiaTokenizer();
        for (int i = 0; i < manifest.Entries.Count; i++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            DataEntry entry = manifest.Entries[i];
            try
            {
                int ids = tokenizer.Encode(entry.Text).Length;
                data.CheckText(ids);
                data._recordings.Add(data.Look(entry) with { Ids = ids });
            }
            catch (DiaException e)
            {
                data._bad.Add(new DataProblem(entry.Place, e.Message));
            }

            progress?.Invoke(i + 1);
        }

        return data;
    }

    /// <summary>What there is to learn from: codes from the cache, and those that were missing there, which are kept.</summary>
    /// <param name="codec">The codec.</param>
    /// <param name="progress">Told after each recording how many of the missing there were.</param>
    /// <param name="cancellationToken">Looked at before each.</param>
    /// <returns>An example for each recording, in the manifest's order.</returns>
    /// <exception cref="DiaException">Input: a recording cannot be read any more. Model: the codec is another model's. Device: no memory.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public IReadOnlyList<TrainingExample> Encode(DacModel codec, Action<int>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(codec);
        int done = 0;
        var examples = new List<TrainingExample>(_recordings.Count);
        foreach (Recording recording in _recordings)
        {
            short[]? codes = recording.Codes;
            if (codes is null)
            {
                cancellationToken.ThrowIfCancellationRequested();
                codes = TrainingExample.Flat(codec.Encode(AudioReader.Read(recording.Entry.AudioPath)));
                Keep(recording, codes);
                progress?.Invoke(++done);
            }

            if (codes.Any(c => c >= _model.EosTokenId))
                throw new DiaException(DiaErrorKind.Model,
                    $"{recording.Entry.Place}: the codec gave the code {codes.Max()}, the model's codes go up to {_model.EosTokenId - 1}: it needs its own codec.");
            examples.Add(new TrainingExample(recording.Entry.Place, recording.Entry.Text, codes, codec.Codebooks, Share(recording.Hash)));
        }

        return examples;
    }

    /// <summary>
    /// Parts examples into those to learn from and those that are held out, by their recordings' own numbers: more data does not change where one is. Of
    /// two or more at least one is held out, and at least one is not.
    /// </summary>
    /// <param name="examples">All.</param>
    /// <param name="share">Which part is held out, from 0 (none), below 1.</param>
    public static (IReadOnlyList<TrainingExample> Learned, IReadOnlyList<TrainingExample> HeldOut) Split(IReadOnlyList<TrainingExample> examples, double share)
    {
        ArgumentNullException.ThrowIfNull(examples);
        if (!(share is >= 0 and < 1))
            throw new ArgumentOutOfRangeException(nameof(share), share, "It must be from 0, below 1.");
        bool[] isHeldOut = HeldOut([.. examples.Select(e => e.Share)], share);
        return ([.. examples.Where((_, i) => !isHeldOut[i])], [.. examples.Where((_, i) => isHeldOut[i])]);
    }

    /// <summary>How many recordings <see cref="Split"/> will hold out.</summary>
    public int CountHeldOut(double share) => HeldOut([.. _recordings.Select(r => Share(r.Hash))], share).Count(h => h);

    private static bool[] HeldOut(double[] shares, double share)
    {
        if (share == 0 || shares.Length < 2)
            return new bool[shares.Length];
        double lowest = shares.Min(), highest = shares.Max();
        return Array.ConvertAll(shares, s => s < highest && (s < share || s == lowest));
    }

    private Recording Look(DataEntry entry)
    {
        FileRange file = FileRange.Whole(entry.AudioPath, DiaErrorKind.Input);
        if (file.Length > MaxRecordingBytes)
            throw new DiaException(DiaErrorKind.Input, $"{entry.AudioPath} has {file.Length} bytes, more than any recording that a model can learn from.");
        byte[] bytes = file.ReadAll(DiaErrorKind.Input), hash = Sha256.Hash(bytes);
        short[]? codes = _cache?.Find(hash);
        int frames = codes?.Length / _codec.NCodebooks ?? Frames(entry, bytes);
        int most = _model.RowCapacity - _model.DelayPattern.Max() - 1;
        if (frames > most)
            throw new DiaException(DiaErrorKind.Input, string.Create(CultureInfo.InvariantCulture,
                $"the recording is {frames / _codec.FrameRate:0.0} s long, the model holds {most / _codec.FrameRate:0.0} s. Cut it at a pause, and its transcript."));
        CheckPace(entry, frames / _codec.FrameRate);
        return new Recording(entry, hash, frames, codes);
    }

    /// <summary>The frames that a recording will have.</summary>
    private int Frames(DataEntry entry, byte[] bytes)
    {
        string name = entry.Place == entry.AudioPath ? "the recording" : entry.AudioPath;
        var warnings = new List<string>();
        AudioBuffer audio = AudioReader.Read(new MemoryStream(bytes), name, warnings);
        if (audio.Frames == 0)
            throw new DiaException(DiaErrorKind.Input, $"{name} holds no samples.");
        Voice.CheckLevel(audio, name, warnings);
        Voice.CheckSilence(audio, name);
        warnings.ForEach(w => _remarks.Add(new DataProblem(entry.Place, w)));
        long samples = ((long)audio.Frames * _codec.SamplingRate + audio.SamplingRate - 1) / audio.SamplingRate;
        return (int)Math.Min(int.MaxValue, (samples + _codec.HopLength - 1) / _codec.HopLength);
    }

    private void CheckText(int ids)
    {
        int most = _model.EncoderConfig.MaxPositionEmbeddings;
        if (ids > most)
            throw new DiaException(DiaErrorKind.Input,
                $"the transcript is {ids} bytes long (a tag counts as one), the model takes {most}. Cut the recording at a pause, and its transcript.");
    }

    private void CheckPace(DataEntry entry, double seconds)
    {
        int characters = ScriptSplitter.CountCharacters(entry.Text);
        string? what = characters > MostCharactersPerSecond * seconds ? "far too long" : characters < FewestCharactersPerSecond * (seconds - 1)
            ? "far too short" : null;
        if (what is not null)
            _remarks.Add(new DataProblem(entry.Place, string.Create(CultureInfo.InvariantCulture,
                $"the transcript is {what} for its recording: {characters} characters in {seconds:0.00} s. Is it another's?")));
    }

    private void Keep(Recording recording, short[] codes)
    {
        try
        {
            _cache?.Keep(recording.Hash, codes);
        }
        catch (DiaException e) when (e.Kind == DiaErrorKind.Output)
        {
            if (_remarks.All(r => r.Place != _cache!.Folder)) // Said once; the codes are made again the next time.
                _remarks.Add(new DataProblem(_cache!.Folder, $"codes are not kept for the next time: {e.Message}"));
        }
    }

    /// <summary>A hash as a number in [0, 1).</summary>
    private static double Share(byte[] hash) => (BitConverter.ToUInt64(hash) >> 11) * (1.0 / (1UL << 53));

    /// <summary>A recording that can be learned from.</summary>
    private sealed record Recording(DataEntry Entry, byte[] Hash, int Frames, short[]? Codes)
    {
        /// <summary>Ids of its transcript.</summary>
        public int Ids { get; init; }
    }
}
