using Dia.Codec;
using Dia.Configuration;
using Dia.Generation;
using Dia.Modeling;
using Dia.Networks;
using Dia.Processing;

namespace Dia.Speech;

/// <summary>An utterance that runs: its rows, and how far they were turned into frames and sound.</summary>
internal sealed class SpeechSlot
{
    private readonly long _started = Stopwatch.GetTimestamp();
    private readonly GenerationConfig _config;
    private readonly int[] _delay;
    private readonly int _maxDelay;
    private readonly int _start;
    private readonly int[] _frame;
    private readonly CodecStream? _stream;
    private int _rowsSeen;
    private int _pads;
    private int _nextFrame;
    private TimeSpan? _firstAudio;
    private int _firstAudioRows;
    private float? _peak;

    /// <summary>Checks an utterance and prepares its rows.</summary>
    /// <exception cref="DiaException">Usage or Input: values that do not fit the model.</exception>
    public SpeechSlot(DiaForConditionalGeneration model, DacModel? codec, Utterance utterance, int index)
    {
        (Utterance, Index) = (utterance, index);
        DiaDecoderConfig decoder = model.Config.DecoderConfig;
        _config = utterance.Config.CopyFor(model.Config);
        if (_config.NumReturnSequences != 1)
            throw new DiaException(DiaErrorKind.Usage, $"num_return_sequences is {_config.NumReturnSequences}; an utterance is one sequence: speak it again.");
        TextIds = [.. utterance.TextIds];
        ForwardInputs.CheckText(model.Config, TextIds);
        _delay = [.. _config.DelayPattern];
        _maxDelay = DelayPattern.Max(_delay);
        _frame = new int[_delay.Length];
        int[,] codes = utterance.Prompt ?? new int[0, _delay.Length];
        DelayPattern.CheckChannels(codes.GetLength(1), _delay);
        (int[,,] ids, _) = DelayPattern.BuildRows([codes], _delay, _config.BosTokenId, null, _config.PadTokenId);
        var prompt = new DecoderPrompt(ids, null, 1, _config, decoder.VocabSize);
        int limit = _config.RowLimit(prompt.Rows, model.RowCapacity);
        Sequence = new GenerationSequence(prompt, 0, _config, decoder.VocabSize, limit);
        _start = _nextFrame = utterance.KeepPrompt ? Enumerable.Range(0, Sequence.RowCount).Count(IsBosRow) : ids.GetLength(1) - _maxDelay;
        _stream = codec is null ? null : new CodecStream(codec, _delay.Length, limit);
    }

    /// <summary>The utterance.</summary>
    public Utterance Utterance { get; }

    /// <summary>The text's ids, checked: a copy, as all that is used of the utterance.</summary>
    public int[] TextIds { get; }

    /// <summary>Its slot.</summary>
    public int Index { get; }

    /// <summary>Its rows.</summary>
    public GenerationSequence Sequence { get; }

    /// <summary>Takes the frames and the sound that the rows so far complete; at the end, the rest and the result.</summary>
    /// <param name="pass">The codec's memory, where it has a stream.</param>
    /// <param name="samples">Room for a window.</param>
    /// <param name="times">Gets the codec's time.</param>
    public void Advance(CodecPass? pass, Span<float> samples, SpeechTimes times)
    {
        if (Sequence.Failure is { } failure)
            throw failure;
        Utterance.OnRow(Sequence.Generated);
        TakeFrames();
        if (Sequence.Finished)
            _stream?.Complete();
        for (int count; _stream is not null && (count = Read(_stream, pass!, samples, times)) > 0;)
        {
            if (_firstAudio is null)
                (_firstAudio, _firstAudioRows) = (Stopwatch.GetElapsedTime(_started), Sequence.Generated);
            foreach (float sample in samples[..count])
                _peak = Math.Max(_peak ?? 0, Math.Abs(sample));
            Utterance.OnSamples(samples[..count]);
        }

        if (Sequence.Finished)
            Utterance.OnCompleted(Result());
    }

    private static int Read(CodecStream stream, CodecPass pass, Span<float> samples, SpeechTimes times)
    {
        long start = Stopwatch.GetTimestamp();
        int count = stream.Read(pass, samples);
        times.Codec += Stopwatch.GetElapsedTime(start);
        return count;
    }

    /// <summary>Frames whose last channel has come: no row to come can lower their end.</summary>
    private void TakeFrames()
    {
        ReadOnlySpan<int> rows = Sequence.Rows;
        int channels = _delay.Length, count = Sequence.RowCount;
        for (; _rowsSeen < count; _rowsSeen++)
            _pads += rows[_rowsSeen * channels] == _config.PadTokenId ? 1 : 0;
        int end = DelayPattern.EndOfAudio(count, _pads, _maxDelay);
        for (; _nextFrame < end; _nextFrame++)
        {
            for (int c = 0; c < channels; c++)
                _frame[c] = rows[(_nextFrame + _delay[c]) * channels + c];
            if (_frame.AsSpan().ContainsAny(_config.BosTokenId, _config.EosTokenId, _config.PadTokenId))
                throw new DiaException(DiaErrorKind.Input,
                    $"Frame {_nextFrame - _start} holds an id that is no code: the rows end before the sound does. Generate more rows.");
            _stream?.Add(_frame);
        }
    }

    private SpeechResult Result()
    {
        int[,] rows = new int[Sequence.RowCount, _delay.Length];
        Buffer.BlockCopy(Sequence.Rows.ToArray(), 0, rows, 0, rows.Length * sizeof(int));
        return new SpeechResult
        {
            Rows = rows,
            Codes = DelayPattern.Undo(rows, _delay, Math.Min(_start, _nextFrame), _nextFrame),
            Samples = _stream?.Samples ?? 0,
            Peak = _peak,
            Stop = Sequence.Stop == GenerationStop.Eos ? SpeechStop.Eos : SpeechStop.Length,
            Seed = _config.Seed,
            GeneratedRows = Sequence.Generated,
            Elapsed = Stopwatch.GetElapsedTime(_started),
            FirstAudio = _firstAudio,
            FirstAudioRows = _firstAudioRows,
        };
    }

    private bool IsBosRow(int row) => Sequence.Rows[row * _delay.Length] == _config.BosTokenId;
}
