using System.Globalization;
using Dia;
using Dia.Bench;
using Dia.FullSize;
using Dia.Weights;

// Called by the script `run`, which says what this is.
CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
try
{
    switch (args)
    {
        case ["kernels", var number] when int.TryParse(number, out int threads) && threads > 0:
            Kernels.Run(threads);
            return 0;
        case ["matrices", var number, var count, var format] when int.TryParse(number, out int threads) && threads > 0
            && int.TryParse(count, out int rows) && rows > 0 && Matrices.Formats.TryGetValue(format, out WeightStorage storage):
            Matrices.Run(threads, rows, storage);
            return 0;
        case ["products", var number, var format] when int.TryParse(number, out int threads) && threads > 0
            && Matrices.Formats.TryGetValue(format, out WeightStorage storage):
            Products.Run(threads, storage);
            return 0;
        case ["rounding", var number, var folder, .. var quantized] when int.TryParse(number, out int threads) && threads > 0:
            Rounding.Run(threads, folder, quantized);
            return 0;
        case ["training", var number] when int.TryParse(number, out int threads) && threads > 0:
            Training.Run(threads);
            return 0;
        case ["steps", var number] when int.TryParse(number, out int threads) && threads > 0:
            var judged = new Report();
            new Steps(judged, threads).Run();
            return judged.Failed ? 1 : 0;
        case ["figures", var number, var folder] when int.TryParse(number, out int threads) && threads > 0:
            Checkpoints.Prepare(folder, threads);
            var report = new Report();
            new Figures(report, threads).Run(folder);
            return report.Failed ? 1 : 0;
        case ["weights", var number, var folder] when int.TryParse(number, out int threads) && threads > 0:
            new Figures(new Report(), threads).Placement(folder);
            return 0;
        default:
            Console.Error.WriteLine("usage: Dia.Bench kernels THREADS | matrices THREADS ROWS bf16|int8|int4 | products THREADS bf16|int8|int4 | training THREADS | steps THREADS | figures THREADS FOLDER | weights THREADS FOLDER | rounding THREADS FOLDER [QUANTIZED...]");
            return 2;
    }
}
catch (DiaException e)
{
    Console.Error.WriteLine(e.Message);
    return 1;
}
