namespace Dia.Cli.Plot;

/// <summary>A loss after so many steps.</summary>
internal readonly record struct LossPoint(int Step, double Loss);

/// <summary>Draws how losses fell: that of each step, its running mean, and the held-out one.</summary>
internal static class LossPlot
{
    private const int Left = 110, PlotWidth = 1200, Right = 48;
    private const int Top = 60, PlotHeight = 480, Bottom = 84;
    private const int MeanParts = 40; // The running mean is over such a part of the steps.

    private static readonly Color Paper = new(255, 255, 255), Ink = new(40, 44, 52), Grid = new(222, 226, 232), Pale = new(178, 204, 226);
    private static readonly Color Learned = new(26, 111, 181), HeldOut = new(205, 92, 8);

    /// <summary>Draws them as PNG; what is not finite is left out.</summary>
    /// <param name="stream">Where to.</param>
    /// <param name="learned">The loss of each step, in order.</param>
    /// <param name="heldOut">The held-out loss, after some of them.</param>
    public static void Write(Stream stream, IEnumerable<LossPoint> learned, IEnumerable<LossPoint> heldOut)
    {
        LossPoint[] steps = [.. learned.Where(p => double.IsFinite(p.Loss))], others = [.. heldOut.Where(p => double.IsFinite(p.Loss))];
        const int width = Left + PlotWidth + Right, height = Top + PlotHeight + Bottom;
        var canvas = new Canvas(width, height);
        canvas.Fill(0, 0, width, height, Paper);
        var axes = Axes.For([.. steps, .. others]);
        Draw(canvas, axes);
        Curve(canvas, axes, steps, Pale);
        Curve(canvas, axes, Means(steps), Learned);
        Curve(canvas, axes, others, HeldOut);
        foreach (LossPoint point in others)
            canvas.Fill((int)axes.X(point.Step) - 2, (int)axes.Y(point.Loss) - 2, 5, 5, HeldOut);
        canvas.Text(Left, 20, steps.Length == 0 ? "loss" : Format.Text($"loss {Means(steps)[^1].Loss:0.000}"), Learned);
        canvas.Text(Left + 300, 20, others.Length == 0 ? "" : Format.Text($"held out {others[^1].Loss:0.000}"), HeldOut);
        canvas.Write(stream);
    }

    private static LossPoint[] Means(LossPoint[] steps)
    {
        int count = Math.Max(1, steps.Length / MeanParts);
        var means = new LossPoint[steps.Length];
        double sum = 0;
        for (int i = 0; i < steps.Length; i++)
        {
            sum += steps[i].Loss - (i >= count ? steps[i - count].Loss : 0);
            means[i] = new LossPoint(steps[i].Step, sum / Math.Min(i + 1, count));
        }

        return means;
    }

    private static void Draw(Canvas canvas, Axes axes)
    {
        for (int i = 0; i * axes.LossStep <= axes.Highest - axes.Lowest + axes.LossStep / 2; i++)
        {
            double loss = axes.Lowest + i * axes.LossStep;
            int y = (int)Math.Round(axes.Y(loss));
            canvas.Fill(Left, y, PlotWidth, 1, Grid);
            string label = Format.Text($"{Math.Round(loss, 9)}");
            canvas.Text(Left - 10 - Canvas.TextWidth(label), y - 6, label, Ink);
        }

        double step = Math.Max(1, PlotBuilder.RoundStep(axes.Last, 12));
        for (int i = 0; i * step <= axes.Last; i++)
        {
            int x = (int)Math.Round(axes.X(i * step));
            canvas.Fill(x, Top, 1, PlotHeight, Grid);
            string label = Format.Text($"{i * step:0}");
            canvas.Text(x - Canvas.TextWidth(label) / 2, Top + PlotHeight + 12, label, Ink);
        }

        canvas.Frame(Left, Top, PlotWidth, PlotHeight, Ink);
        canvas.Text(Left + (PlotWidth - Canvas.TextWidth("step")) / 2, Top + PlotHeight + 40, "step", Ink);
    }

    /// <summary>A line through the points, column by column.</summary>
    private static void Curve(Canvas canvas, Axes axes, LossPoint[] points, Color color)
    {
        for (int i = 0; i + 1 < points.Length; i++)
        {
            double x0 = axes.X(points[i].Step), x1 = axes.X(points[i + 1].Step), y0 = axes.Y(points[i].Loss), y1 = axes.Y(points[i + 1].Loss);
            for (int x = (int)x0; x <= (int)x1; x++)
            {
                double from = At(x), to = At(x + 1);
                canvas.Bar(x, Math.Min(from, to) - 0.75, Math.Max(from, to) + 0.75, color);
            }

            double At(double x) => y0 + (y1 - y0) * Math.Clamp((x - x0) / Math.Max(x1 - x0, 1e-9), 0, 1);
        }
    }

    /// <summary>What the axes span, from step 0 on.</summary>
    private readonly record struct Axes(double Last, double Lowest, double Highest, double LossStep)
    {
        public static Axes For(LossPoint[] points)
        {
            double lowest = points.Select(p => p.Loss).DefaultIfEmpty(0).Min(), highest = points.Select(p => p.Loss).DefaultIfEmpty(1).Max();
            double step = PlotBuilder.RoundStep(Math.Max(highest - lowest, 1e-3 * Math.Max(1, Math.Abs(highest))), 8);
            (lowest, highest) = (Math.Floor(lowest / step) * step, Math.Ceiling(highest / step) * step);
            return new Axes(Math.Max(1, points.Select(p => p.Step).DefaultIfEmpty(0).Max()), lowest, Math.Max(highest, lowest + step), step);
        }

        public double X(double step) => Left + (PlotWidth - 1) * step / Last;

        public double Y(double loss) => Top + (PlotHeight - 1) * (Highest - loss) / (Highest - Lowest);
    }
}
