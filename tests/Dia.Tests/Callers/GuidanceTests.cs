using Dia.Backends.Cpu;
using Dia.Speech;
using Dia.Text;
using Xunit;

namespace Dia.Tests.Callers;

public sealed class GuidanceTests
{
    /// <summary>What cross-attention is without text is made by a pass of the encoder, and kept in memory of the model's.</summary>
    [Fact]
    public void The_encoder_runs_without_text_for_the_first_utterance_with_guidance_and_no_earlier()
    {
        var memory = new CountedMemory(isHost: true);
        using var small = new SmallModel(new CpuDevice(1, memory));
        int before = memory.Live;
        Speak(1);
        Assert.Equal(before, memory.Live);
        Speak(3);
        Assert.Equal(before + 1, memory.Live);
        Speak(3);
        Assert.Equal(before + 1, memory.Live);

        void Speak(double guidance)
        {
            using var engine = new SpeechEngine(small.Model, null, 2);
            engine.Run(new TestJob(new DiaTokenizer().Encode("[S1] Hello."), small.Config(4) with { GuidanceScale = guidance }));
        }
    }
}
