namespace Dia.Cli.Plot;

/// <summary>
/// Draws audio: the waveform, a mel spectrogram below it on the same time axis, and who speaks. Samples are taken as they come, and
/// memory is bounded however many they are.
/// </summary>
/// <param name="samplingRate">Samples a second.</param>
/// <param name="text">What is said, with its speaker tags; null: turns are not marked.</param>
internal sealed class PlotBuilder(int samplingRate, string? text)
{
    private const int Bands = 96;
    private const int Left = 96, PlotWidth = 1200, Right = 96;
    private const int TurnTop = 52, TurnHeight = 28;
    private const int WaveTop = 84, WaveHeight = 200;
    private const int MelTop = 300, MelHeight = Bands * 4;
    private const int AxisTop = MelTop + MelHeight, Bottom = 104;
    private const double Floor = -80; // dB below the loudest: quieter is black.
    private const double Quiet = 0.02; // Of the largest sample: speech starts and ends where it is exceeded.

    private static readonly Color Paper = new(255, 255, 255), Ink = new(40, 44, 52), Grid = new(222, 226, 232), Pale = new(120, 126, 138);
    private static readonly Color[] Speakers = [new(110, 116, 128), new(26, 111, 181), new(205, 92, 8)];
    private static readonly Color[] Heat =
        [new(0, 0, 6), new(40, 12, 84), new(110, 28, 110), new(182, 54, 84), new(236, 104, 40), new(252, 180, 46), new(252, 252, 190)];

    private readonly WaveformEnvelope _envelope = new(8192);
    private readonly MelSpectrogram _spectrogram = new(samplingRate, Bands, 4096);
    private readonly IReadOnlyList<SpeakerTurn> _turns = text is null ? [] : SpeakerTurn.Find(text);

    private double Seconds => Math.Max(_envelope.Samples, 1) / (double)samplingRate;

    /// <summary>Takes the next samples.</summary>
    public void Add(ReadOnlySpan<float> samples)
    {
        _envelope.Add(samples);
        _spectrogram.Add(samples);
    }

    /// <summary>Draws what came, as PNG; nothing can be added afterwards.</summary>
    /// <param name="stream">Where to.</param>
    public void Write(Stream stream)
    {
        _spectrogram.Complete();
        const int width = Left + PlotWidth + Right, height = AxisTop + Bottom;
        var canvas = new Canvas(width, height);
        canvas.Fill(0, 0, width, height, Paper);
        double[] bounds = TurnBounds();
        DrawTitle(canvas);
        DrawTimes(canvas);
        DrawTurns(canvas, bounds);
        DrawWave(canvas, bounds);
        DrawSpectrogram(canvas);
        DrawBoundaries(canvas, bounds);
        DrawScale(canvas);
        canvas.Write(stream);
    }

    /// <summary>Where turns begin, and where the last one ends, in pixels.</summary>
    private double[] TurnBounds()
    {
        float[] loudness = [.. Enumerable.Range(0, _envelope.Points).Select(i => Math.Max(Math.Abs(_envelope.Low[i]), Math.Abs(_envelope.High[i])))];
        float peak = loudness.DefaultIfEmpty().Max();
        if (peak == 0 || _turns.Count == 0)
            return [];
        int first = Array.FindIndex(loudness, l => l >= Quiet * peak), last = Array.FindLastIndex(loudness, l => l >= Quiet * peak);
        double start = Pixels(first * _envelope.SamplesPerPoint), end = Pixels(Math.Min(_envelope.Samples, (last + 1) * _envelope.SamplesPerPoint));
        double total = _turns.Sum(t => t.Weight);
        var bounds = new List<double> { start };
        int before = 0;
        foreach (SpeakerTurn turn in _turns)
            bounds.Add(start + (end - start) * (before += turn.Weight) / total);
        return [.. bounds];
    }

    private double Pixels(double sample) => Left + PlotWidth * sample / Math.Max(_envelope.Samples, 1);

    private void DrawTitle(Canvas canvas)
    {
        canvas.Text(Left, 16, Format.Text($"{_envelope.Samples / (double)samplingRate:0.00} s at {samplingRate} Hz"), Ink);
        const string caption = "Speaker turns are estimates: time shared by characters of text, from the first to the last sound.";
        canvas.Text(Left, AxisTop + 70, _turns.Count == 0
            ? "Speaker turns are not marked: it is not known where the voice prompt's text ends." : caption, Pale);
    }

    private void DrawTimes(Canvas canvas)
    {
        double step = RoundStep(Seconds, 12);
        string format = step < 0.01 ? "0.000" : step < 0.1 ? "0.00" : step < 1 ? "0.0" : "0";
        for (int i = 0; i * step <= Seconds * (1 + 1e-9); i++)
        {
            int x = Left + (int)Math.Round((PlotWidth - 1) * i * step / Seconds);
            canvas.Fill(x, WaveTop, 1, WaveHeight, Grid);
            canvas.Fill(x, AxisTop + 1, 1, 6, Ink);
            string label = (i * step).ToString(format, System.Globalization.CultureInfo.InvariantCulture);
            canvas.Text(x - Canvas.TextWidth(label) / 2, AxisTop + 12, label, Ink);
        }

        const string name = "time in seconds";
        canvas.Text(Left + (PlotWidth - Canvas.TextWidth(name)) / 2, AxisTop + 38, name, Ink);
    }

    /// <summary>A round number that divides a length into so many parts at most.</summary>
    public static double RoundStep(double length, int parts)
    {
        double power = Math.Pow(10, Math.Floor(Math.Log10(length / parts)));
        return new[] { 1, 2, 5, 10 }.Select(m => m * power).First(s => length / s <= parts);
    }

    private void DrawTurns(Canvas canvas, double[] bounds)
    {
        for (int i = 0; i + 1 < bounds.Length; i++)
        {
            int left = (int)Math.Round(bounds[i]), width = (int)Math.Round(bounds[i + 1]) - left;
            canvas.Fill(left, TurnTop, width - 1, TurnHeight, Speakers[_turns[i].Speaker]);
            string name = _turns[i].Speaker == 0 ? "" : $"S{_turns[i].Speaker} ", label = name + _turns[i].Text.ReplaceLineEndings(" ");
            int room = (width - 12) / Canvas.TextWidth("M ", 2) * 2;
            if (label.Length > room)
                label = room > name.Length + 4 ? label[..(room - 2)].TrimEnd() + ".." : room >= 2 ? name.Trim() : "";
            canvas.Text(left + 6, TurnTop + 7, label, Paper);
        }
    }

    private void DrawWave(Canvas canvas, double[] bounds)
    {
        foreach (double level in new[] { 1, 0.5, 0, -0.5, -1 })
        {
            int y = (int)WaveY(level);
            canvas.Fill(Left, Math.Min(y, WaveTop + WaveHeight - 1), PlotWidth, 1, Grid);
            string label = level.ToString("0.0", System.Globalization.CultureInfo.InvariantCulture);
            canvas.Text(Left - 10 - Canvas.TextWidth(label), y - 6, label, Ink);
        }

        double perPixel = _envelope.Points / (double)PlotWidth;
        for (int x = 0; x < PlotWidth && _envelope.Points > 0; x++)
        {
            int from = (int)(x * perPixel), to = Math.Max(from + 1, (int)((x + 1) * perPixel));
            float low = float.MaxValue, high = float.MinValue;
            for (int i = from; i < to && i < _envelope.Points; i++)
                (low, high) = (Math.Min(low, _envelope.Low[i]), Math.Max(high, _envelope.High[i]));
            int turn = Array.FindLastIndex(bounds, b => b <= Left + x);
            Color color = turn < 0 || turn >= _turns.Count ? Speakers[0] : Speakers[_turns[turn].Speaker];
            canvas.Bar(Left + x, WaveY(Math.Min(high, 1)) - 0.6, WaveY(Math.Max(low, -1)) + 0.6, color);
        }

        canvas.Frame(Left, WaveTop, PlotWidth, WaveHeight, Ink);
    }

    private static double WaveY(double level) => WaveTop + WaveHeight * (1 - level) / 2;

    private void DrawSpectrogram(Canvas canvas)
    {
        int columns = _spectrogram.Columns;
        double loudest = 0;
        for (int column = 0; column < columns; column++)
            for (int band = 0; band < Bands; band++)
                loudest = Math.Max(loudest, _spectrogram[column, band]);
        float[,] shades = new float[Math.Max(columns, 1), Bands];
        for (int column = 0; column < columns; column++)
            for (int band = 0; band < Bands; band++)
                shades[column, band] = loudest == 0
                    ? 0 : (float)Math.Max(0, 1 - 10 * Math.Log10(Math.Max(_spectrogram[column, band] / loudest, 1e-30)) / Floor);
        double perPixel = _envelope.Samples / (double)_spectrogram.SamplesPerColumn / PlotWidth, perRow = Bands / (double)MelHeight;
        for (int x = 0; x < PlotWidth; x++)
            for (int y = 0; y < MelHeight; y++)
                canvas.Blend(Left + x, MelTop + y, HeatOf(Shade(shades, x * perPixel, (x + 1) * perPixel, Bands - (y + 0.5) * perRow - 0.5)), 1);
        canvas.Frame(Left, MelTop, PlotWidth, MelHeight, Ink);
        foreach (int hertz in new[] { 100, 500, 1000, 2000, 4000, 8000, 16000 })
        {
            int y = MelTop + (int)((Bands - 0.5 - MelSpectrogram.Band(hertz, samplingRate, Bands)) / perRow);
            if (hertz > samplingRate / 2 || y < MelTop)
                continue;
            string label = hertz < 1000 ? Format.Text($"{hertz}") : Format.Text($"{hertz / 1000}k");
            canvas.Fill(Left - 7, y, 6, 1, Ink);
            canvas.Text(Left - 12 - Canvas.TextWidth(label), y - 6, label, Ink);
        }

        canvas.Text(Left - 12 - Canvas.TextWidth("Hz"), MelTop + 2, "Hz", Ink);
    }

    /// <summary>The mean over the columns that a pixel stands for, or between two where they are wider; between two bands.</summary>
    private static double Shade(float[,] shades, double from, double to, double band)
    {
        int columns = shades.GetLength(0);
        if (to - from >= 1)
        {
            int first = (int)from, last = Math.Min(columns - 1, (int)Math.Ceiling(to) - 1);
            double sum = 0;
            for (int column = first; column <= last; column++)
                sum += At(column);
            return sum / Math.Max(1, last - first + 1);
        }

        double middle = (from + to) / 2 - 0.5, before = Math.Floor(middle);
        return Mix(At((int)before), At((int)before + 1), middle - before);

        double At(int column)
        {
            column = Math.Clamp(column, 0, columns - 1);
            double low = Math.Floor(band);
            return Mix(shades[column, Math.Clamp((int)low, 0, Bands - 1)], shades[column, Math.Clamp((int)low + 1, 0, Bands - 1)], band - low);
        }

        static double Mix(double a, double b, double share) => a + (b - a) * share;
    }

    private static Color HeatOf(double shade)
    {
        double at = Math.Clamp(shade, 0, 1) * (Heat.Length - 1);
        int index = Math.Min((int)at, Heat.Length - 2);
        return Heat[index].Towards(Heat[index + 1], at - index);
    }

    private static void DrawBoundaries(Canvas canvas, double[] bounds)
    {
        foreach (double bound in bounds)
            for (int y = WaveTop; y < MelTop + MelHeight; y++)
                if (y is < WaveTop + WaveHeight or >= MelTop && y % 10 < 6)
                    canvas.Blend((int)Math.Round(bound), y, y < MelTop ? Ink : Paper, 0.8);
    }

    private static void DrawScale(Canvas canvas)
    {
        const int left = Left + PlotWidth + 16, width = 14;
        for (int y = 0; y < MelHeight; y++)
            canvas.Fill(left, MelTop + y, width, 1, HeatOf(1 - y / (double)(MelHeight - 1)));
        canvas.Frame(left, MelTop, width, MelHeight, Ink);
        for (double level = 0; level >= Floor; level -= 20)
            canvas.Text(left + width + 6, Math.Min(MelTop + (int)(MelHeight * level / Floor) - 6, MelTop + MelHeight - 14), Format.Text($"{level:0}"), Ink);
        canvas.Text(left, MelTop - 24, "dB", Ink);
    }
}
