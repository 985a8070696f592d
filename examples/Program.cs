// The three usage examples of the reference library, in C#, and a script: dotnet run --project examples -- MODEL_DIR VOICE.wav OUT_DIR
using Dia.Audio;
using Dia.Backends;
using Dia.Backends.Cpu;
using Dia.Codec;
using Dia.Compiled;
using Dia.Generation;
using Dia.Modeling;
using Dia.Networks;
using Dia.Processing;
using Dia.Speech;
using Dia.Weights;

if (args.Length != 3)
{
    Console.Error.WriteLine("usage: dotnet run --project examples -- MODEL_DIR VOICE.wav OUT_DIR");
    return 2;
}

string modelFolder = args[0], voice = args[1], outFolder = args[2];

// Load: CompiledModels.All are the configurations that the generator compiled into this program.
using Device device = new CpuDevice(threads: Environment.ProcessorCount);
ModelFolder folder = ModelFolder.Open(modelFolder);
using var model = DiaForConditionalGeneration.FromPretrained(folder, CompiledModels.All, device);
using var codec = DacModel.FromPretrained(folder.Sub("dac"), CompiledModels.All, device);
DiaProcessor processor = DiaProcessor.Create(model.Config, codec);

// 1. Generation with text
DiaInputs inputs = processor.Process(["[S1] This is the demo model. [S2] Welcome to the show."]);
int[,,] rows = model.Generate(inputs, model.GenerationConfig() with { MaxNewTokens = 256, Seed = 1 });
processor.SaveAudio(processor.Decode(rows), Path.Combine(outFolder, "text.wav"));

// 2. Generation with text and audio (voice cloning): the transcript of the voice comes first in the text
float[] samples = AudioReader.Read(voice).ToMono(codec.SamplingRate);
inputs = processor.Process(["[S1] The letter is fast again. [S1] Yes, I can hear you."], [new AudioBuffer(samples, codec.SamplingRate)]);
rows = model.Generate(inputs, model.GenerationConfig() with { MaxNewTokens = 256, Seed = 1 });
int promptLength = processor.GetAudioPromptLen(inputs.DecoderAttentionMask);
processor.SaveAudio(processor.Decode(rows, promptLength), Path.Combine(outFolder, "clone.wav"));

// 3. Training rows, their loss, and its gradient by every parameter
inputs = processor.Process(["[S1] The letter is fast again."], [new AudioBuffer(samples, codec.SamplingRate)], generation: false, outputLabels: true);
using ParameterGradients gradients = model.CreateGradients();
using DiaOutput output = model.Forward(inputs.InputIds, inputs.AttentionMask, inputs.DecoderInputIds,
    decoderAttentionMask: inputs.DecoderAttentionMask, labels: inputs.Labels, gradients: gradients);
output.Backward();
Console.WriteLine($"loss {output.Loss}, {gradients.Names.Count()} gradients");

// 4. A script of any length, split, spoken piece by piece in the same voices, and joined
string script = string.Concat(Enumerable.Repeat("[S1] The voice is blue now. [S2] You know the quiet voice. ", 6));
using var speaker = Speaker.FromPretrained(folder, CompiledModels.All, device);
AudioBuffer sound = speaker.Speak(script, new SpeechOptions { Seed = 1, Speed = 1.1 });
sound.Save(Path.Combine(outFolder, "script.wav"));
return 0;
