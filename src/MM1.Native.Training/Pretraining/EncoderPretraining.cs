using System.Diagnostics;
using System.Globalization;
using MM1.Native.Autograd;
using MM1.Native.Data;
using MM1.Native.Inference;
using MM1.Native.Kernels;
using MM1.Native.Models;

namespace MM1.Native.Training;

/// <summary>What the pre-training of an encoder took.</summary>
internal sealed record PretrainingResult(TimeSpan Time, TimeSpan Waited, long Images);

/// <summary>
/// Trains the model's image encoder with images and captions before the first step (<see cref="EncoderPretrainingConfig"/>). It has an optimizer and a <see cref="ContrastiveModel"/> of its own,
/// which end with it: what stays are the encoder's weights. Nothing of it is saved before it is done, so that a run that is killed meanwhile begins anew, with the same bits.
/// </summary>
internal sealed class EncoderPretraining(TrainingConfig config, Mm1Model model, TrainingData data, ImageSettings images, Action<TrainEvent> emit)
{
    /// <summary>Trains; null where it was cancelled.</summary>
    /// <exception cref="TrainingException">The loss or the gradient is no number, or the source has no pairs.</exception>
    public PretrainingResult? Run(CancellationToken cancellationToken)
    {
        bool[] trained = [.. model.Encoder.Parameters().Select(static parameter => parameter.RequiresGradient)];
        try
        {
            foreach (Parameter parameter in model.Encoder.Parameters()) parameter.RequiresGradient = true;
            return Train(cancellationToken);
        }
        finally
        {
            int i = 0;
            foreach (Parameter parameter in model.Encoder.Parameters())
            {
                parameter.ZeroGradient();
                parameter.RequiresGradient = trained[i++];
            }
        }
    }

    private PretrainingResult? Train(CancellationToken cancellationToken)
    {
        EncoderPretrainingConfig settings = config.EncoderPretraining;
        Device device = model.Device!;
        using var contrastive = new ContrastiveModel(model.Config.Vision, model.Config.Decoder.Vocabulary, settings.Width);
        contrastive.Build(device, config.Seed, config.Precision.Shadow(device));
        using var optimizer = new AdamW(model.Encoder.Parameters().Concat(contrastive.Parameters()),
            new AdamWOptions { WeightDecay = (float)settings.WeightDecay, MaxGradientNorm = (float)settings.MaxGradientNorm });
        var schedule = new LearningRateSchedule(settings.LearningRate, new ScheduleConfig { Steps = settings.Steps, WarmupSteps = settings.WarmupSteps, Floor = settings.Floor });
        using var feed = new CaptionedImageFeed(data.Source(settings.Source), data.Tokenizer, images, config.Data.Augmentation, settings, config.Seed, config.Data.Workers);
        long begin = Stopwatch.GetTimestamp(), interval = begin;
        int since = 0;
        for (int step = 1; step <= settings.Steps; step++)
        {
            CaptionedImages batch;
            try
            {
                cancellationToken.ThrowIfCancellationRequested();
                batch = feed.Take(cancellationToken);
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                emit(new RunStopped(0, string.Create(CultureInfo.InvariantCulture, $"it was asked to, in step {step} of the encoder's pre-training; --resume begins it anew")));
                return null;
            }
            optimizer.LearningRate = (float)schedule.At(step);
            double loss = Step(device, contrastive, optimizer, batch, step);
            feed.Return(batch);
            since++;
            bool logged = step % config.Log.Every == 0 || step == 1 || step == settings.Steps;
            TimeSpan time = Stopwatch.GetElapsedTime(begin);
            emit(new PretrainingStepCompleted(step)
            {
                IsLogged = logged,
                Steps = settings.Steps,
                Loss = loss,
                LearningRate = schedule.At(step),
                GradientNorm = optimizer.GradientNorm,
                Scale = Math.Min(ContrastiveModel.MaximumScale, Math.Exp(contrastive.LogScale.ToArray()[0])),
                Images = settings.Images,
                ImagesPerSecond = (double)since * settings.Images / Math.Max(1e-9, Stopwatch.GetElapsedTime(interval).TotalSeconds),
                Time = time,
                Remaining = time / step * (settings.Steps - step),
            });
            if (!logged) continue;
            (interval, since) = (Stopwatch.GetTimestamp(), 0);
        }
        return new PretrainingResult(Stopwatch.GetElapsedTime(begin), feed.Waited, (long)settings.Steps * settings.Images);
    }

    private double Step(Device device, ContrastiveModel contrastive, AdamW optimizer, CaptionedImages batch, int step)
    {
        using (device.BeginStep())
        {
            Tensor features = model.Encoder.Forward(Tensor.From(batch.Pixels, [batch.Pairs, images.Size, images.Size, 3]));
            Tensor loss = contrastive.Loss(features, Tensor.From(batch.Tokens, [batch.Tokens.Length]), Tensor.From(batch.Averaging, [batch.Pairs, batch.Tokens.Length]));
            double value = loss.Item();
            if (!double.IsFinite(value)) throw Fail(step, "the loss", value);
            loss.Backward();
            if (!optimizer.Step()) throw Fail(step, "the gradient norm", optimizer.GradientNorm);
            return value;
        }
    }

    private TrainingException Fail(int step, string what, double value)
    {
        string message = string.Create(CultureInfo.InvariantCulture, $"At step {step} of the encoder's pre-training {what} is {value}: lower encoderPretraining.learningRate, or look at the weights of init.encoder.");
        emit(new RunStopped(0, message));
        return new TrainingException(message);
    }
}
