using Dia.Audio;
using Dia.Audio.Formats;
using Dia.Backends;
using Dia.Codec;
using Dia.Compiled;
using Dia.Configuration;
using Dia.Generation;
using Dia.Speech;
using Dia.Testing;
using Dia.Text;
using Dia.Weights;
using Xunit;

namespace Dia.Tests.Speech;

/// <summary>Scripts on the demo model, against what is known of their pieces.</summary>
public sealed class SpeakerTests : IClassFixture<SpeakerTests.Demo>
{
    // More than the demo model's 256 positions.
    private const string Script =
        "[S1] The voice is blue now. [S2] You know the quiet voice. [S1] They want the blue river. [S2] The music is new today. " +
        "[S1] We love the happy model. [S2] Good night. [S1] Nine two eight nine. [S2] The picture is slow tomorrow. " +
        "[S1] They hear eight slow coffees on the table. [S2] Two three five ten one.";

    // Two pieces where it is split.
    private const string Turns = "[S1] The voice is blue now. [S2] You know the quiet voice. [S1] They want the blue river. [S2] The music is new today.";

    private const string Short = "[S1] The voice is blue now.";

    // The demo model says nothing for a row of full stops and ends after a second, whatever the seed.
    private static readonly string Babble = "[S1] a" + new string('.', 79);

    private static readonly SpeechOptions Seed3 = new() { Seed = 3 };
    private static readonly SpeechOptions InPieces = Seed3 with { Splitting = ScriptSplitting.Always };

    private readonly Demo _demo;

    public SpeakerTests(Demo demo) => _demo = demo;

    [Fact]
    public void A_program_speaks_in_three_lines()
    {
        using var folder = new TemporaryFolder();
        using var speaker = Speaker.FromPretrained(Demo.Folder, CompiledModels.All, _demo.Device);
        AudioBuffer sound = speaker.Speak(Short, new SpeechOptions { Seed = 7, Speed = 1.1 });
        sound.Save(folder["out.wav"]);

        AudioBuffer saved = AudioReader.Read(folder["out.wav"]);
        Assert.Equal(speaker.Codec!.SamplingRate, saved.SamplingRate);
        Assert.InRange(saved.Frames, saved.SamplingRate / 2, 5 * saved.SamplingRate);
        Assert.Equal(sound.Samples.Select(s => (float)WavWriter.ToInt16(s)), saved.Samples.Select(s => s * 32768));
    }

    [Fact]
    public void A_long_script_is_its_pieces_joined_and_stretched()
    {
        var sound = new List<float>();
        SpokenScript spoken = _demo.Speaker.Speak(Script, Seed3 with { Speed = 1.1, Trim = true }, samples => sound.AddRange(samples));
        Assert.True(spoken.Pieces.Count > 2);
        Assert.Equal(Script, string.Join(' ', spoken.Pieces.Select(p => p.Piece.Text)));
        var expected = new List<float>();
        var stretch = new TimeStretch(_demo.Codec.SamplingRate, 1.1, samples => expected.AddRange(samples));
        var joiner = new PieceJoiner(_demo.Codec.SamplingRate, stretch.Write);
        foreach (Utterance piece in spoken.Pieces)
        {
            joiner.Write(_demo.Codec.Decode(piece.Result!.Codes));
            if (piece != spoken.Pieces[^1])
                joiner.EndPiece();
        }

        joiner.Finish(trim: true);
        stretch.Finish();
        Assert.Equal(expected, sound);
    }

    [Fact]
    public void A_stream_is_the_sound_and_comes_while_it_is_made()
    {
        AudioBuffer whole = _demo.Speaker.Speak(Turns, InPieces);
        var stream = new List<float>();
        var observer = new Watcher();
        int rowsAtFirst = 0;
        SpokenScript spoken = _demo.Speaker.Speak(
            Turns,
            InPieces,
            samples =>
            {
                rowsAtFirst = rowsAtFirst == 0 ? observer.Rows : rowsAtFirst;
                stream.AddRange(samples);
            },
            observer);
        Assert.Equal(whole.Samples, stream);
        Assert.InRange(rowsAtFirst, 1, spoken.GeneratedRows / 2);
        Assert.Equal(spoken.GeneratedRows, observer.Rows);
        Assert.Equal(spoken.GeneratedRows, spoken.Pieces.Sum(p => p.Result!.GeneratedRows));
        Assert.Equal(spoken.Pieces, observer.Spoken);
        Assert.Null(spoken.Rows);
        Assert.NotNull(spoken.FirstAudio);
    }

    [Fact]
    public void Each_piece_goes_on_from_one_before()
    {
        SpokenScript spoken = _demo.Speaker.Speak(Turns, InPieces, write: null);
        Assert.Null(spoken.Pieces[0].Voice);
        Assert.All(spoken.Pieces.Skip(1), p =>
            Assert.Contains(spoken.Pieces, before => before.Result!.Codes == p.Voice?.Codes && before.Piece.Text == p.Voice.Transcript));
        // What the model was given: the voice's text, a space, the piece's.
        Assert.All(spoken.Pieces.Skip(1), p => Assert.Equal(new DiaTokenizer().Encode($"{p.Voice!.Transcript} {p.Piece.Text}"), p.TextIds));
    }

    [Fact]
    public void Codes_need_no_sound_and_no_codec()
    {
        int[,] codes = _demo.Speaker.Speak(Turns, InPieces, _ => { }).Codes;
        Assert.Equal(codes, _demo.Speaker.Speak(Turns, InPieces, write: null).Codes);
        using var speaker = new Speaker(_demo.Model, codec: null, _demo.Codec.FrameRate);
        Assert.Equal(codes, speaker.Speak(Turns, InPieces, write: null).Codes);
        Assert.Equal(DiaErrorKind.Usage, Assert.Throws<DiaException>(() => speaker.Speak(Short)).Kind);
        Assert.Equal(DiaErrorKind.Usage, Assert.Throws<DiaException>(() => speaker.SpeakAll([Short], Seed3, (_, _) => { })).Kind);
        using var blind = new Speaker(_demo.Model, codec: null);
        Assert.Contains("how long a frame is", Assert.Throws<DiaException>(() => blind.Speak(Turns, InPieces, write: null)).Message, StringComparison.Ordinal);
        Assert.Null(blind.Speak(Short, Seed3, write: null).Pieces[0].Seconds);
    }

    [Fact]
    public void One_piece_is_what_the_engine_makes_of_it()
    {
        GenerationConfig config = Seed3.Generation(_demo.Model);
        // What the checkpoint says.
        Assert.Equal((3.0, 45, 0.95, 0.6, true), (config.GuidanceScale, config.TopK, config.TopP, config.Temperature, config.DoSample));
        using var engine = new SpeechEngine(_demo.Model, _demo.Codec);
        var samples = new List<float>();
        var alone = new Utterance(_demo.Model.Config, new ScriptPiece(Short), null, config, _demo.Codec.FrameRate) { Write = chunk => samples.AddRange(chunk) };
        engine.Run(alone);
        foreach (int retries in new[] { 0, 2 })
        {
            AudioBuffer sound = _demo.Speaker.Speak(Short, Seed3 with { Retries = retries });
            Assert.Equal(samples, sound.Samples);
        }

        SpokenScript spoken = _demo.Speaker.Speak(Short, Seed3, write: null);
        Assert.Equal(alone.Result!.Rows, spoken.Rows);
        Assert.Equal((0, 0), (spoken.CutPieces, spoken.DoubtfulPieces));
    }

    [Fact]
    public void What_may_be_better_is_spoken_again_with_the_next_seeds()
    {
        var observer = new Watcher();
        SpokenScript spoken = _demo.Speaker.Speak(Babble, Seed3 with { Retries = 2 }, write: null, observer);
        Assert.Equal([4UL, 5UL], observer.Seeds);
        Assert.Equal(SpeechDoubtKind.Short, spoken.Pieces[0].Doubt?.Kind);
        Assert.Equal(1, spoken.DoubtfulPieces);
        // The longest of the three, of which each is what its seed gives.
        Utterance[] attempts =
            [.. new ulong[] { 3, 4, 5 }.Select(seed => _demo.Speaker.Speak(Babble, new SpeechOptions { Seed = seed }, write: null).Pieces[0])];
        Utterance longest = attempts.Where(a => a.Result!.Stop == SpeechStop.Eos).MaxBy(a => a.Result!.Frames)!;
        Assert.Equal(longest.Result!.Codes, spoken.Codes);
        Assert.Equal(attempts.Sum(a => a.Result!.GeneratedRows), spoken.GeneratedRows);
        Assert.Equal(DiaErrorKind.Usage, Assert.Throws<DiaException>(() => _demo.Speaker.Speak(Short, Seed3 with { Retries = 1, Greedy = true })).Kind);
    }

    [Fact]
    public void A_cut_piece_is_told()
    {
        SpokenScript spoken = _demo.Speaker.Speak(Short, Seed3 with { MaxNewTokens = 20 }, write: null);
        Assert.Equal(SpeechDoubtKind.Cut, spoken.Pieces[0].Doubt?.Kind);
        Assert.True(spoken.Pieces[0].IsCrowded);
        Assert.Equal(1, spoken.CutPieces);
    }

    [Fact]
    public void A_sink_that_fails_or_cancels_ends_the_script_and_the_speaker_goes_on()
    {
        AudioBuffer before = _demo.Speaker.Speak(Short, Seed3);
        int rows = 0;
        var observer = new Watcher();
        Assert.Throws<IOException>(() => _demo.Speaker.Speak(Turns, InPieces, _ => throw new IOException("no space")));
        using var source = new CancellationTokenSource();
        Assert.Throws<OperationCanceledException>(() => _demo.Speaker.Speak(
            Turns,
            InPieces,
            _ =>
            {
                rows = observer.Rows;
                source.Cancel();
            },
            observer,
            source.Token));
        Assert.Equal(observer.Rows, rows);
        Assert.Empty(observer.Spoken);
        Assert.Throws<OperationCanceledException>(() => _demo.Speaker.Speak(Short, Seed3, source.Token));
        Assert.Equal(before.Samples, _demo.Speaker.Speak(Short, Seed3).Samples);
    }

    [Fact]
    public void Two_speakers_at_once_get_what_each_gets_alone()
    {
        float[][] alone = [.. new ulong[] { 3, 4 }.Select(seed => _demo.Speaker.Speak(Turns, InPieces with { Seed = seed, MaxNewTokens = 24 }).Samples)];
        var sounds = new float[2][];
        Parallel.For(0, 2, i =>
        {
            using var speaker = new Speaker(_demo.Model, _demo.Codec);
            sounds[i] = speaker.Speak(Turns, InPieces with { Seed = 3 + (ulong)i, MaxNewTokens = 24 }).Samples;
        });
        Assert.Equal(alone, sounds);
    }

    [Fact]
    public void Several_texts_at_a_time_get_what_each_gets_alone()
    {
        string[] texts = [Short, "[S2] Good night.", "[S1] Yes, I can hear you. [S2] No."];
        List<float>[] sounds = [[], [], []];
        using var speaker = new Speaker(_demo.Model, _demo.Codec, batch: 2);
        IReadOnlyList<Utterance> spoken = speaker.SpeakAll(texts, Seed3, (i, samples) => sounds[i].AddRange(samples));
        for (int i = 0; i < texts.Length; i++)
        {
            Assert.Equal(texts[i], spoken[i].Piece.Text);
            Assert.Equal(_demo.Speaker.Speak(texts[i], Seed3).Samples, sounds[i]);
            Assert.Equal(sounds[i].Count, spoken[i].Result!.Samples);
        }

        Assert.Equal(spoken.Select(s => s.Result!.Codes), speaker.SpeakAll(texts, Seed3, write: null).Select(s => s.Result!.Codes));
        foreach (SpeechOptions options in new[] { Seed3 with { Speed = 2 }, Seed3 with { Retries = 1 }, Seed3 with { Trim = true },
            Seed3 with { Splitting = ScriptSplitting.Always } })
            Assert.Equal(DiaErrorKind.Usage, Assert.Throws<DiaException>(() => speaker.SpeakAll(texts, options, write: null)).Kind);
        Assert.Equal(DiaErrorKind.Input, Assert.Throws<DiaException>(() => speaker.SpeakAll([Short, Script], Seed3, write: null)).Kind);
    }

    [Fact]
    public void A_given_voice_speaks_every_piece_and_is_heard_once_where_it_is_kept()
    {
        string transcript = File.ReadAllText(Fixtures.Path("demo", "voice.txt")).Trim();
        Voice voice = Voice.Encode(AudioReader.Read(Fixtures.Path("demo", "voice.wav")), transcript, _demo.Codec, "me", Voice.MaxFrames(_demo.Model.Config));
        SpeechOptions options = Seed3 with { Voice = voice }, inPieces = options with { Splitting = ScriptSplitting.Always };
        SpokenScript spoken = _demo.Speaker.Speak(Turns, inPieces, write: null),
            kept = _demo.Speaker.Speak(Turns, inPieces with { KeepVoice = true }, write: null);
        Assert.True(spoken.Pieces.Count > 1);
        Assert.All(spoken.Pieces, p => Assert.Same(voice, p.Voice));
        Assert.Equal(voice.Codes.Cast<int>().Concat(spoken.Codes.Cast<int>()), kept.Codes.Cast<int>());
        Assert.Equal(spoken.Pieces[0].Seconds, kept.Pieces[0].Seconds);

        // Where nobody says where its transcript ends.
        Voice unknown = new(voice.Codes, "", voice.Codec);
        Assert.Equal(DiaErrorKind.Usage, Assert.Throws<DiaException>(() => _demo.Speaker.Speak(Script, Seed3 with { Voice = unknown })).Kind);
        Assert.Equal(
            _demo.Speaker.Speak(Short, options, write: null).Rows,
            _demo.Speaker.Speak($"{transcript} {Short}", Seed3 with { Voice = unknown }, write: null).Rows);
        Assert.Equal(DiaErrorKind.Input,
            Assert.Throws<DiaException>(() => _demo.Speaker.Speak(Short, Seed3 with { Voice = new(new int[3, 2], "a", null) })).Kind);
    }

    [Fact]
    public void A_text_that_is_too_long_is_split_refused_or_cut_as_asked()
    {
        DiaException refused = Assert.Throws<DiaException>(() => _demo.Speaker.Speak(Script, Seed3 with { Splitting = ScriptSplitting.Never }));
        Assert.Equal(DiaErrorKind.Input, refused.Kind);
        Assert.DoesNotContain("--", refused.Message, StringComparison.Ordinal);
        SpeechOptions cut = Seed3 with { Splitting = ScriptSplitting.Truncate, MaxNewTokens = 30 };
        Utterance piece = Assert.Single(_demo.Speaker.Speak(Script, cut, write: null).Pieces);
        Assert.Equal(new DiaTokenizer().Encode(Script)[..256], piece.TextIds);
        Assert.StartsWith(piece.Piece.Text, Script, StringComparison.Ordinal);
        string text = Script[..Script.IndexOf("[S1] Nine", StringComparison.Ordinal)];
        Assert.Single(_demo.Speaker.Speak(text, Seed3 with { MaxNewTokens = 30 }, write: null).Pieces);
        Assert.True(_demo.Speaker.Speak(text, Seed3 with { MaxNewTokens = 30, Splitting = ScriptSplitting.Always }, write: null).Pieces.Count > 1);
    }

    [Fact]
    public void Usage_is_checked()
    {
        Assert.Equal("pieces", Assert.Throws<ArgumentOutOfRangeException>(() => _demo.Speaker.Speak([], Seed3, write: null)).ParamName);
        Assert.Equal("text", Assert.Throws<ArgumentNullException>(() => _demo.Speaker.Speak(null!)).ParamName);
        Assert.Equal("options", Assert.Throws<ArgumentOutOfRangeException>(() => _demo.Speaker.Speak(Short, Seed3 with { Retries = -1 })).ParamName);
        foreach (double speed in new[] { double.NaN, 0.4, 2.1 })
            Assert.Equal(DiaErrorKind.Usage, Assert.Throws<DiaException>(() => _demo.Speaker.Speak(Short, Seed3 with { Speed = speed })).Kind);
        var speaker = new Speaker(_demo.Model, _demo.Codec);
        speaker.Dispose();
        Assert.Throws<ObjectDisposedException>(() => speaker.Speak(Short));
        Assert.NotEmpty(_demo.Speaker.Speak(Short, Seed3).Samples); // model and codec stay the caller's
        Assert.Throws<DiaException>(() =>
            Speaker.FromPretrained(ModelFolder.Open(Fixtures.Path("generate", "model")), CompiledModels.All, _demo.Device)); // it has no codec
    }

    private sealed class Watcher : ISpeechObserver
    {
        public int Rows { get; private set; }

        public List<ulong> Seeds { get; } = [];

        public List<Utterance> Spoken { get; } = [];

        public void RowAdded(int piece, int rows)
        {
            Assert.Equal(Spoken.Count, piece);
            Assert.Equal(Rows + 1, rows);
            Rows = rows;
        }

        public void SpokenAgain(int piece, Utterance attempt, ulong seed)
        {
            Assert.NotNull(attempt.Doubt);
            Seeds.Add(seed);
        }

        public void PieceSpoken(int piece, Utterance utterance)
        {
            Assert.Equal(Spoken.Count, piece);
            Spoken.Add(utterance);
        }
    }

    /// <summary>The demo model, opened once for all tests.</summary>
    public sealed class Demo : IDisposable
    {
        public Demo()
        {
            Model = DiaForConditionalGeneration.FromPretrained(Folder, CompiledModels.All, Device);
            Codec = DacModel.FromPretrained(Folder.Sub(ModelFolder.CodecName), CompiledModels.All, Device);
            Speaker = new Speaker(Model, Codec);
        }

        internal static ModelFolder Folder => ModelFolder.Open(Fixtures.Demo);

        internal Device Device { get; } = TestDevice.Create("cpu2");

        internal DiaForConditionalGeneration Model { get; }

        internal DacModel Codec { get; }

        internal Speaker Speaker { get; }

        public void Dispose()
        {
            Speaker.Dispose();
            Codec.Dispose();
            Model.Dispose();
            Device.Dispose();
        }
    }
}
