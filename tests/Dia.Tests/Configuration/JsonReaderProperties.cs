using System.Globalization;
using System.Text;
using System.Text.Json;
using Dia.Configuration;
using FsCheck;
using FsCheck.Xunit;

namespace Dia.Tests.Configuration;

/// <summary>The strict reader against the platform's: what is JSON, and what it says.</summary>
public sealed class JsonReaderProperties
{
    private static readonly string[] Tokens = ["{", "}", "[", "]", ",", ":", "\"a\"", "\"b\"", "\"\\n\\u00e9\\ud83d\\ude00\"", "0", "-1.5e3", "true", "false",
        "null", " ", "\n", "\"", "01", "1.", "nul"];

    [Property(MaxTest = 500)]
    public void A_string_is_read_as_it_was_written(string? text)
    {
        // Half of a surrogate pair is no text: the writer puts U+FFFD in its place, and so the expectation does.
        string valid = Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text ?? ""));
        JsonValue value = Read("{" + JsonSerializer.Serialize(valid) + ":" + JsonSerializer.Serialize(valid) + "}")!;
        Xunit.Assert.Equal(valid, value.Members.Single().Key);
        Xunit.Assert.Equal(valid, value.Members.Single().Value.Text);
    }

    [Property(MaxTest = 500)]
    public void A_number_is_read_as_it_was_written(double number)
    {
        if (!double.IsFinite(number))
            return;
        string text = number.ToString("R", CultureInfo.InvariantCulture);
        Xunit.Assert.Equal(text, Read($"[{text}]")!.Items.Single().Text);
    }

    [Property(MaxTest = 2000)]
    public void It_accepts_what_the_platform_accepts(byte[] choice)
    {
        var text = new StringBuilder();
        foreach (byte b in choice)
            text.Append(Tokens[b % Tokens.Length]);
        Compare(text.ToString());
    }

    [Property(MaxTest = 1000)]
    public void It_accepts_what_the_platform_accepts_of_nearly_right_text(byte[] choice, byte at, byte token)
    {
        // A value built by the rules, then one token put somewhere.
        int next = 0;
        string right = Value(0);
        Compare(right);
        Compare(right.Insert(at % (right.Length + 1), Tokens[token % Tokens.Length]));

        string Value(int depth)
        {
            int kind = next < choice.Length && depth < 5 ? choice[next++] % 7 : 6;
            int count = next < choice.Length ? choice[next++] % 4 : 0;
            return kind switch
            {
                0 => "{" + string.Join(", ", Enumerable.Range(0, count).Select(i => $"\"k{i}\": {Value(depth + 1)}")) + "}",
                1 => "[" + string.Join(",", Enumerable.Range(0, count).Select(_ => Value(depth + 1))) + "]",
                2 => "\"a\\u0062\\\\\"",
                3 => "-12.5e+3",
                4 => "true",
                5 => "\tnull\r\n",
                _ => "0",
            };
        }
    }

    private static void Compare(string text)
    {
        bool expected = true;
        try
        {
            // A reader of bytes and not a document: duplicate keys are a matter of the strict reader alone.
            var reader = new Utf8JsonReader(Encoding.UTF8.GetBytes(text), new JsonReaderOptions { MaxDepth = JsonReader.MaxDepth });
            while (reader.Read())
            {
                // Every token is looked at.
            }
        }
        catch (JsonException)
        {
            expected = false;
        }

        var problems = new ProblemList(ProblemSeverity.Error);
        JsonValue? value = JsonReader.Read(text, problems);
        Xunit.Assert.True(expected == (value is not null), $"{text}: the platform {(expected ? "accepts" : "refuses")} it");
    }

    private static JsonValue? Read(string text)
    {
        var problems = new ProblemList(ProblemSeverity.Error);
        JsonValue? value = JsonReader.Read(text, problems);
        Xunit.Assert.True(value is not null, text);
        Xunit.Assert.Equal(0, problems.ErrorCount);
        return value;
    }
}
