using MM1.Native.Inference;
using MM1.Native.Models;
using Xunit;

namespace MM1.Native.Training.Tests;

public sealed class ConfigurationTests
{
    [Theory]
    [InlineData("schedule.steps=0", "schedule.steps must be 1 or more, not 0")]
    [InlineData("schedule.warmupSteps=12", "schedule.warmupSteps must be 0 or more and less than schedule.steps (12), not 12")]
    [InlineData("schedule.floor=1.5", "schedule.floor must lie in [0, 1], not 1.5")]
    [InlineData("accumulation=0", "accumulation must be 1 or more, not 0")]
    [InlineData("optimizer.learningRate=-1", "optimizer.learningRate must be positive, or null for the paper's equation 1, not -1")]
    [InlineData("optimizer.beta2=1", "optimizer.beta2 must lie in [0, 1), not 1")]
    [InlineData("data.weights={captions: 0}", "data.weights must have a weight above 0")]
    [InlineData("data.weights={pictures: 1}", "data.weights has keys captions, interleaved and text, not pictures")]
    [InlineData("data.world.maximumShapes=7", "data.world: scenes have from 1 to 6 shapes")]
    [InlineData("data.length=512", "data.length must be at most the model's decoder.maxPositions (256), not 512")]
    [InlineData("model.decoder.vocabulary=100", "model.decoder.vocabulary must be at least the tokenizer's")]
    [InlineData("encoderPretraining={steps: -1}", "encoderPretraining.steps must be 0 (none) or more, not -1")]
    [InlineData("encoderPretraining={steps: 50}", "encoderPretraining.warmupSteps must be less than encoderPretraining.steps (50), not 50")]
    [InlineData("encoderPretraining={images: 1}", "encoderPretraining.images must be 2 or more, not 1")]
    [InlineData("encoderPretraining={learningRate: 0}", "encoderPretraining.learningRate must be positive, not 0")]
    [InlineData("encoderPretraining={floor: 2}", "encoderPretraining.floor must lie in [0, 1], not 2")]
    [InlineData("encoderPretraining={weightDecay: -1}", "encoderPretraining.weightDecay must be 0 or more, not -1")]
    [InlineData("encoderPretraining={maxGradientNorm: -1}", "encoderPretraining.maxGradientNorm must be 0 (no clipping) or more, not -1")]
    [InlineData("encoderPretraining={width: 0}", "encoderPretraining.width must be 1 or more, not 0")]
    [InlineData("encoderPretraining={source: text}", "encoderPretraining.source must be captions or interleaved, whose documents have images, not text")]
    [InlineData("precision=bf16", "it must be one of auto, float32, bfloat16")]
    [InlineData("data.images={mean: [0.5, 0.5]}", "data.images.mean must have three values in [0, 1], not [0.5, 0.5]")]
    [InlineData("data.images={deviation: [0.5, 0, 0.5]}", "data.images.deviation must have three positive values, not [0.5, 0, 0.5]")]
    [InlineData("guard.window=1", "guard.window must be 2 or more, not 1")]
    [InlineData("checkpoints.keep=0", "checkpoints.keep must be 1 or more, not 0")]
    [InlineData("evaluation.final=[{task: shapes-qq}]", "evaluation.final[0].task: there is no task 'shapes-qq'; the nearest is 'shapes-qa'")]
    [InlineData("evaluation.final=[{task: shapes-qa, summary: {acuracy: a}}]", "evaluation.final[0].summary must name metrics of task 'shapes-qa'")]
    [InlineData("evaluation.final=[{task: shapes-qa, shots: 40}]", "model.decoder.maxPositions (256) tokens with the answer")]
    [InlineData("evaluation.final=[{task: shapes-qa, summary: {accuracy: a}}, {task: shapes-qa, blind: true, summary: {accuracy: a}}]", "must give every summary key once, not a")]
    [InlineData("freeze=[\"encodr.*\"]", "freeze has 'encodr.*', which matches no parameter")]
    [InlineData("lrScale.\"encodr.*\"=0.1", "'encodr.*' matches no trained parameter")]
    public void AValueOutOfRangeIsNamed(string set, string message)
    {
        using var folder = new TemporaryFolder();
        ConfigurationException failure = Assert.Throws<ConfigurationException>(() => Runs.Execute(Runs.Config(set), folder["run"]));
        Assert.Contains(message, failure.Message);
    }

    [Fact]
    public void UnknownKeysAreNamed() => Assert.Contains("warmupSteps", Assert.Throws<ConfigurationException>(() => Runs.Config("schedule.warmupStep=3")).Message);

    [Fact]
    public void AbsentKeysHaveTheirDefaults()
    {
        TrainingConfig config = Runs.Config();
        Assert.Equal((0.95, 0.1, 1.0), (config.Optimizer.Beta2, config.Optimizer.WeightDecay, config.Optimizer.MaxGradientNorm));
        Assert.Equal((6.0, 128, 10), (config.Guard.ZScore, config.Guard.Window, config.Guard.MaximumSkips));
        Assert.Equal(0.1, config.Schedule.Floor);
        Assert.Equal(new EncoderPretrainingConfig { Steps = 0, Images = 128, LearningRate = 2e-3, WarmupSteps = 50, Floor = 0.02, WeightDecay = 0.1, MaxGradientNorm = 1, Width = 64, Source = "captions" }, config.EncoderPretraining);
        Assert.Equal(0.45, config.Data.Weights["captions"]);
        Assert.Equal(new Data.SyntheticWorldOptions { Seed = 5 }, config.Data.World);
    }

    /// <summary>A warm-up line from 0, the peak at its end, a cosine to the floor at the last step; half way down at half the way.</summary>
    [Fact]
    public void TheScheduleIsALineAndACosine()
    {
        var schedule = new LearningRateSchedule(2, new ScheduleConfig { Steps = 110, WarmupSteps = 10, Floor = 0.1 });
        Assert.Equal(0.2, schedule.At(1), 12);
        Assert.Equal(1.0, schedule.At(5), 12);
        Assert.Equal(2.0, schedule.At(10), 12);
        Assert.Equal(2 * 0.55, schedule.At(60), 12);
        Assert.Equal(2 * (0.1 + 0.9 * 0.5 * (1 + Math.Cos(Math.PI * 0.25))), schedule.At(35), 12);
        Assert.Equal(0.2, schedule.At(110), 12);
        Assert.Equal(2, new LearningRateSchedule(2, new ScheduleConfig { Steps = 5 }).At(1));
    }

    /// <summary>Without a learning rate the peak is the paper's equation 1 of the decoder's parameters without embeddings; --max-steps leaves the schedule as it is.</summary>
    [Fact]
    public void EquationOneAndMaxSteps()
    {
        using var folder = new TemporaryFolder();
        var events = new EventList();
        TrainingConfig config = Runs.Config("optimizer.learningRate=null");
        Runs.Execute(config, folder["run"], maxSteps: 3, events: events);
        Mm1Config model = Mm1ConfigReader.FromNode(config.Model, "test", vocabulary: 400);
        double peak = Math.Exp(-0.4214 * Math.Log(ParameterTotals.Of(model).DecoderBody) - 0.5535);
        Assert.Equal(peak, Assert.Single(events.Of<RunStarted>()).PeakLearningRate, 1e-12);
        Assert.Equal(3, Assert.Single(events.Of<RunStarted>()).StopStep);
        Assert.Equal(new LearningRateSchedule(peak, config.Schedule).At(3), events.Of<StepCompleted>().Last().LearningRate, 1e-12);
    }
}
