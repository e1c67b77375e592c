using System.CommandLine;
using MM1.Native.Models;

namespace MM1.Native.Cli;

/// <summary><c>mm1 plan</c>: parameters, operations, memory and learning rate of a model; nothing is allocated.</summary>
internal static class PlanCommand
{
    public static Command Create(Terminal terminal)
    {
        var target = new Argument<string>("PRESET|CONFIG") { Description = $"a preset ({string.Join(", ", Mm1Presets.Names)}) or a YAML file" };
        var set = SharedOptions.Set();
        var json = SharedOptions.Json();
        var half = new Option<bool>("--half") { Description = "count 16-bit computation: a 16-bit copy of the weights, 16-bit activations" };
        var recompute = new Option<bool>("--recompute") { Description = "count blocks that run again in backward" };
        var command = new Command("plan", "Shows parameters by part, operations, memory by class and the learning rate of equation 1, before anything is allocated.")
        {
            target, set, json, half, recompute,
        };
        command.SetAction(parsed =>
        {
            ModelPlan plan = Targets.Plan(parsed.GetRequiredValue(target), parsed.GetValue(set) ?? []);
            plan = plan with { Shape = plan.Shape with { HalfPrecision = parsed.GetValue(half), Recompute = plan.Shape.Recompute || parsed.GetValue(recompute) } };
            if (parsed.GetValue(json)) terminal.WriteLine(JsonText.Of(plan.ToJson()));
            else Print(plan, terminal);
            return ExitCode.Success;
        });
        return command;
    }

    private static void Print(ModelPlan plan, Terminal terminal)
    {
        ParameterTotals parameters = plan.Parameters;
        ModelCost cost = plan.Cost;
        ModelMemory memory = plan.Memory;
        terminal.WriteLine(plan.Name);
        foreach ((string part, string words) in plan.Describe()) terminal.WriteLine($"  {part,-10} {words}");

        Section("Parameters");
        foreach ((string part, long count) in new[] { ("encoder", parameters.Encoder), ("connector", parameters.Connector), ("decoder", parameters.DecoderBody), ("embeddings", parameters.Embeddings), ("total", parameters.Total) })
            terminal.Write($"  {part,-22}{Quantity.Count(count),10}  {count,16:N0}  {Quantity.Percent((double)count / parameters.Total),6}");

        Section("Operations (a multiply-add counts two; matrix products, convolutions and attention)");
        Row("token, forward", Quantity.Flops(cost.DecoderPerToken), $"in documents of {cost.DocumentLength} tokens");
        Row("image, forward", Quantity.Flops(cost.PerImage), $"encoder {Quantity.Flops(cost.EncoderPerImage)}, connector {Quantity.Flops(cost.ConnectorPerImage)}; its {cost.ImageTokens} tokens count as tokens");
        Row("token, training", Quantity.Flops(cost.TrainingPerToken), "forward and backward");
        Row("image, training", Quantity.Flops(cost.TrainingPerImage), "forward and backward");

        string half = plan.Shape.HalfPrecision ? ", 16-bit" : ", float32", again = plan.Shape.Recompute ? ", blocks run again" : "";
        Section($"Memory of training (micro-batch of {plan.Shape.Tokens} tokens and {plan.Shape.Images} images{half}{again})");
        Row("weights", Quantity.Bytes(memory.Weights), "float32");
        Row("gradients", Quantity.Bytes(memory.Gradients), "float32");
        Row("optimizer", Quantity.Bytes(memory.Optimizer), "AdamW's two moments");
        if (memory.Shadow > 0) Row("shadow", Quantity.Bytes(memory.Shadow), "16-bit weights");
        Row("activations", Quantity.Bytes(memory.Activations), "an estimate");
        Row("total", Quantity.Bytes(memory.Total), Room(memory.Total));

        Section("Learning rate at its peak");
        terminal.Write($"  {Quantity.Small(parameters.PeakLearningRate)}   exp(-0.4214 ln N - 0.5535), N = {parameters.DecoderBody:N0} decoder parameters without embeddings");
        if (plan.LearningRate is { } rate) terminal.WriteLine($"  {Quantity.Small(rate)}   set by the configuration");

        void Section(string title) => terminal.WriteLine($"\n{title}");
        void Row(string name, string value, string note) => terminal.WriteLine($"  {name,-22}{value,12}   {note}");
    }

    private static string Room(long bytes)
    {
        long available = MachineReport.AvailableMemory();
        return bytes <= available ? $"fits this machine's {Quantity.Bytes(available)}" : $"more than this machine's {Quantity.Bytes(available)}";
    }
}
