namespace Dia.Cli.Plot;

/// <summary>A colour, 8 bits a channel.</summary>
internal readonly record struct Color(byte Red, byte Green, byte Blue)
{
    /// <summary>A colour between two.</summary>
    /// <param name="other">The other one.</param>
    /// <param name="share">0: this one; 1: the other.</param>
    public Color Towards(Color other, double share) => new(Mix(Red, other.Red, share), Mix(Green, other.Green, share), Mix(Blue, other.Blue, share));

    private static byte Mix(byte from, byte to, double share) => (byte)Math.Round(from + (to - from) * Math.Clamp(share, 0, 1));
}

/// <summary>Pixels to draw on; what lies outside is left out.</summary>
/// <param name="columns">Its width.</param>
/// <param name="rows">Its height.</param>
internal sealed class Canvas(int columns, int rows)
{
    private readonly byte[] _pixels = new byte[columns * rows * 3];

    /// <summary>A rectangle.</summary>
    public void Fill(int left, int top, int width, int height, Color color)
    {
        for (int y = top; y < top + height; y++)
            for (int x = left; x < left + width; x++)
                Blend(x, y, color, 1);
    }

    /// <summary>The edge of a rectangle, a pixel wide, around it.</summary>
    public void Frame(int left, int top, int width, int height, Color color)
    {
        Fill(left - 1, top - 1, width + 2, 1, color);
        Fill(left - 1, top + height, width + 2, 1, color);
        Fill(left - 1, top, 1, height, color);
        Fill(left + width, top, 1, height, color);
    }

    /// <summary>A column of pixels between two heights that need not be whole.</summary>
    public void Bar(int x, double top, double bottom, Color color)
    {
        for (int y = (int)Math.Floor(top); y < bottom; y++)
            Blend(x, y, color, Math.Min(y + 1, bottom) - Math.Max(y, top));
    }

    /// <summary>Colours a pixel, by a share of it.</summary>
    public void Blend(int x, int y, Color color, double share)
    {
        if ((uint)x >= (uint)columns || (uint)y >= (uint)rows)
            return;
        Span<byte> pixel = _pixels.AsSpan((y * columns + x) * 3, 3);
        Color mixed = new Color(pixel[0], pixel[1], pixel[2]).Towards(color, share);
        pixel[0] = mixed.Red;
        pixel[1] = mixed.Green;
        pixel[2] = mixed.Blue;
    }

    /// <summary>Pixels that a text takes.</summary>
    public static int TextWidth(string text, int scale = 2) => Math.Max(0, text.Length * Font.Width - 1) * scale;

    /// <summary>A text, its top left corner given.</summary>
    public void Text(int left, int top, string text, Color color, int scale = 2)
    {
        for (int i = 0; i < text.Length; i++)
            for (int y = 0; y < Font.Height; y++)
                for (int x = 0; x < Font.Width - 1; x++)
                    if (Font.HasDot(text[i], x, y))
                        Fill(left + (i * Font.Width + x) * scale, top + y * scale, scale, scale, color);
    }

    /// <summary>The picture as PNG.</summary>
    public void Write(Stream stream) => PngWriter.Write(stream, columns, rows, _pixels);
}
