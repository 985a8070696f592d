using Dia.Text;
using Xunit;

namespace Dia.Tests.Text;

/// <summary>Full stops that end no sentence.</summary>
public sealed class ScriptCutsTests
{
    [Theory]
    [InlineData("We live at No.", "5 now.")]
    [InlineData("It took Nr.", "12 home.")]
    [InlineData("It weighs approx.", "3 stone.")]
    [InlineData("It weighs approx.", "three stone.")]
    [InlineData("It weighs ca.", "€5 of gold.")]
    [InlineData("We saw Dr.", "Who there.")]
    [InlineData("He is Mr.", "Smith now.")]
    [InlineData("She is Mrs.", "Smith now.")]
    [InlineData("It is red vs.", "Blue there.")]
    [InlineData("They eat fruit, e.g.", "Apples now.")]
    [InlineData("We are home, i.e.", "Here now.")]
    [InlineData("This is St.", "Ives now.")]
    [InlineData("You see Fig.", "A there.")]
    [InlineData("You see p.", "7 there.")]
    [InlineData("You see pp.", "7 to 9 there.")]
    [InlineData("You see vol.", "II there.")]
    [InlineData("We met at 5 p.m.", "on Monday.")]
    [InlineData("A book of J. R. R.", "Tolkien is old.")]
    [InlineData("A book of J.R.R.", "Tolkien is old.")]
    [InlineData("She is in the U.S.", "Army now.")]
    [InlineData("They were born ca.", "1950 there.")]
    [InlineData("(approx.", "3 of them)")]
    [InlineData("She is a Ph.D.", "Smith knows.")]
    [InlineData("They work at Co.", "Ltd. now.")]
    [InlineData("You see eq.", "(3) there.")]
    [InlineData("It is z.", "B. gut there.")]
    [InlineData("They eat e. g.", "Apples now.")]
    public void Are_no_place_for_a_cut(string before, string after) => Assert.Equal(ScriptCutKind.Abbreviation, KindBetween(before, after));

    [Theory]
    [InlineData("We go home.", "They stay.")]
    [InlineData("No, we said no.", "No more.")]
    [InlineData("Do you? No.", "It is not.")]
    [InlineData("You and I.", "They too.")]
    [InlineData("We met at 5 p.m.", "Then we left.")]
    [InlineData("It is version v1.2.3.", "We have it.")]
    [InlineData("See www.example.org.", "It is there.")]
    [InlineData("It costs 3.50.", "We have it.")]
    [InlineData("He is 25.", "She is 30.")]
    [InlineData("Wait...", "What is it?")]
    [InlineData("We go.", "(laughs) They stay.")]
    [InlineData("\"We go.\"", "They stay.")]
    [InlineData("Wir gehen.", "Über Berge.")]
    [InlineData("We won!", "3 of us.")]
    [InlineData("And apples, etc.", "They stay.")]
    public void Sentence_ends_stay_what_they_are(string before, string after) => Assert.Equal(ScriptCutKind.Sentence, KindBetween(before, after));

    [Theory]
    [InlineData("Wait...", "what is it?")]
    [InlineData("\"Is it?\"", "they said.")]
    [InlineData("\"It is.\"", "they said.")]
    public void Before_a_small_letter_a_clause_ends(string before, string after) => Assert.Equal(ScriptCutKind.Clause, KindBetween(before, after));

    [Fact]
    public void Where_nothing_has_capitals_sentences_begin_without()
    {
        Assert.Equal(ScriptCutKind.Sentence, Kind("[S1] we go home. they stay.", "[S1] we go home.".Length));
        Assert.Equal(ScriptCutKind.Abbreviation, Kind("[S1] it weighs approx. three stone.", "[S1] it weighs approx.".Length));
    }

    [Fact]
    public void The_number_of_an_item_belongs_to_it()
    {
        Assert.Equal(ScriptCutKind.Abbreviation, Kind("We need:\n1. Bread", "We need:\n1.".Length));
        Assert.Equal(ScriptCutKind.Abbreviation, Kind("1. Bread\n2. Milk", 2));
    }

    [Theory]
    [InlineData("No. 5", "We walked along the quiet street until we came to No. 5 and rang the bell of the old house.")]
    [InlineData("approx. 3", "The stone that they found by the river weighs approx. 3 pounds more than anyone had said.")]
    [InlineData("J. R. R. Tolkien", "The book on the table in the corner is by J. R. R. Tolkien and nobody has read it in years.")]
    public void Split_keeps_them_together(string together, string text)
    {
        for (int limit = 32; limit < 90; limit++)
            Assert.Contains(ScriptSplitter.Split(new ScriptPiece("[S1] " + text), limit), p => p.Text.Contains(together, StringComparison.Ordinal));
    }

    private static ScriptCutKind KindBetween(string before, string after) => Kind($"[S1] {before} {after}", 5 + before.Length);

    private static ScriptCutKind Kind(string text, int position) => ScriptCuts.Find(text, 100).Single(c => c.Position == position).Kind;
}
