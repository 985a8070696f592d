using Dia.Configuration;
using Dia.Generation;
using Dia.Modeling;

namespace Dia.Quantization;

/// <summary>How far what a model says is from what another one, its source, says: over lines that the source spoke, row by row, on the same rows.</summary>
/// <param name="Divergence">The mean Kullback-Leibler divergence KL(source ‖ model) of each channel's distribution, in nats; of logits
/// as they are, with the text.</param>
/// <param name="Agreement">In how many of the rows and channels both find the same id best.</param>
/// <param name="Frames">How many frames each line takes where both speak it greedily: the source's, and the model's.</param>
public sealed record SpeechDivergence(IReadOnlyList<double> Divergence, double Agreement, IReadOnlyList<(int Source, int Model)> Frames)
{
    /// <summary>Compares a model with its source.</summary>
    /// <param name="source">The source.</param>
    /// <param name="model">The model, of the same configuration.</param>
    /// <param name="lines">Lines as the source spoke them.</param>
    /// <param name="progress">Told how far it is.</param>
    /// <param name="cancellationToken">Looked at before each line.</param>
    internal static SpeechDivergence Between(DiaForConditionalGeneration source, DiaForConditionalGeneration model, IReadOnlyList<SpokenLine> lines,
        Action<CalibrationProgress>? progress, CancellationToken cancellationToken)
    {
        var sums = new Sums(source.Config.DecoderConfig);
        var frames = new List<(int, int)>();
        foreach (SpokenLine line in lines)
        {
            cancellationToken.ThrowIfCancellationRequested();
            progress?.Invoke(new CalibrationProgress("comparing line", frames.Count, lines.Count));
            sums.Add(Logits(source, line), Logits(model, line));
            frames.Add((Greedy(source, line, cancellationToken), Greedy(model, line, cancellationToken)));
        }

        return sums.Mean(frames);
    }

    /// <summary>The same of logits alone.</summary>
    internal static SpeechDivergence OfLogits(DiaForConditionalGeneration source, DiaForConditionalGeneration model, IEnumerable<SpokenLine> lines)
    {
        var sums = new Sums(source.Config.DecoderConfig);
        foreach (SpokenLine line in lines)
            sums.Add(Logits(source, line), Logits(model, line));
        return sums.Mean([]);
    }

    /// <summary>The logits of a line's rows, with the text.</summary>
    internal static float[] Logits(DiaForConditionalGeneration model, SpokenLine line)
    {
        var all = new List<float>();
        line.Run(model, guidance: false, pass => SpokenLine.Logits(model, pass, pass.Rows, logits => all.AddRange(logits)));
        return [.. all];
    }

    private static int Greedy(DiaForConditionalGeneration model, SpokenLine line, CancellationToken cancellationToken)
    {
        GenerationConfig config = model.GenerationConfig() with { DoSample = false };
        int[] rows = SpokenLine.Speak(model, [line.Line], config, cancellationToken)[0].Rows;
        return Enumerable.Range(0, rows.Length / config.Channels).Count(row => rows[row * config.Channels] < config.EosTokenId) - line.Line.VoiceFrames;
    }

    private sealed class Sums(DiaDecoderConfig config)
    {
        private readonly double[] _divergence = new double[config.NumChannels];
        private long _rows, _same;

        public SpeechDivergence Mean(IReadOnlyList<(int, int)> frames)
        {
            double rows = Math.Max(1, _rows);
            return new SpeechDivergence([.. _divergence.Select(d => d / rows)], _same / (rows * config.NumChannels), frames);
        }

        public void Add(float[] source, float[] model)
        {
            (int channels, int vocabulary) = (config.NumChannels, config.VocabSize);
            for (int at = 0; at < source.Length; at += vocabulary)
            {
                ReadOnlySpan<float> p = source.AsSpan(at, vocabulary), q = model.AsSpan(at, vocabulary);
                (double logP, double logQ, double sum) = (LogSum(p), LogSum(q), 0);
                for (int i = 0; i < vocabulary; i++)
                    sum += Math.Exp(p[i] - logP) * (p[i] - logP - (q[i] - logQ));
                int channel = at / vocabulary % channels;
                _divergence[channel] += sum;
                _same += TokenSampler.Best(p) == TokenSampler.Best(q) ? 1 : 0;
                _rows += channel == 0 ? 1 : 0;
            }
        }

        /// <summary>The logarithm of Σ exp x.</summary>
        private static double LogSum(ReadOnlySpan<float> x)
        {
            double most = double.NegativeInfinity, sum = 0;
            foreach (float value in x)
                most = Math.Max(most, value);
            foreach (float value in x)
                sum += Math.Exp(value - most);
            return most + Math.Log(sum);
        }
    }
}
