// SPDX-License-Identifier: Apache-2.0
#include "core/config/augment_check.h"
#include "core/config/batch.h"
#include "core/config/beta_schedule.h"
#include "core/config/config.h"
#include "core/config/devices.h"
#include "core/config/latents_check.h"
#include "core/config/paths.h"
#include "core/config/respacing.h"
#include "core/config/schedule_check.h"
#include "core/config/seen_image.h"
#include "core/config/value_text.h"
#include "core/config/visitors.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace espalier::config {

namespace {

using Problems = std::vector<Problem>;

void checkLength(const RunConfig& config, Problems& problems)
{
    const auto& training = config.training;
    const auto* stages = std::get_if<StagesSchedule>(&config.schedule);
    const auto* assembled = std::get_if<AssembledSchedule>(&config.schedule);
    const bool ofStages = (stages && (!stages->steps.empty() || !stages->epochs.empty() || !stages->seconds.empty())) ||
                          (assembled && (assembled->pt.hasLength() || assembled->mt.hasLength() || assembled->ft.hasLength()));
    if (!ofStages && training.steps == 0 && training.epochs == 0 && training.images == 0 && training.seconds == 0.0) {
        problems.push_back({"training.steps",
                            "The training has no end: set at least one of training.steps, training.epochs, training.images "
                            "and training.seconds."});
    }
}

void checkOptimizer(const TrainingConfig& training, Problems& problems)
{
    if (training.nesterov && training.optimizer == OptimizerKind::Sgd && (training.momentum == 0.0 || training.dampening > 0.0))
        problems.push_back(
            {"training.nesterov", fmt::format("training.nesterov looks ahead along the whole momentum: {}.",
                                              training.momentum == 0.0 ? "set training.momentum above 0" : "set training.dampening to 0")});
    if (training.amsgrad && !keepsMaximum(training))
        problems.push_back({"training.amsgrad", "training.amsgrad belongs to the optimizers adam and adamw; set it to false."});
    if (training.optimizer == OptimizerKind::Lamb && training.epsilon == 0.0)
        problems.push_back({"training.epsilon", "training.epsilon must be above 0 for lamb: where no gradient came yet it would divide 0 "
                                                "by 0."});
}

void checkBatch(const RunConfig& config, Problems& problems)
{
    const auto& training = config.training;
    int world = 1;
    bool worldKnown = false;
    if (const auto ask = parseDevices(config.devices)) {
        worldKnown = ask->kind != DeviceKind::Auto;
        world = ask->count;
    } else {
        problems.push_back({"devices", ask.error().message});
    }
    if (worldKnown) {
        if (const auto split = deriveBatch(training, world); !split)
            problems.push_back({split.error().detail, split.error().message});
    } else if (training.microBatch > 0 || training.accumulation > 0) {
        // How many workers there will be is unknown: all that can be said is that some number of them must fit.
        const auto step = std::max<std::int64_t>(training.microBatch, 1) * std::max<std::int64_t>(training.accumulation, 1);
        if (training.batchSize % step != 0) {
            problems.push_back({training.microBatch > 0 ? "training.micro_batch" : "training.accumulation",
                                fmt::format("training.batch_size {} is no multiple of training.micro_batch x training.accumulation ({}).",
                                            training.batchSize, step)});
        }
    }
    std::int64_t images = 0; // 0: known only once the folder was read
    if (config.data.source == DataSource::Garden)
        images = config.data.gardenTrain;
    else if (config.data.source == DataSource::Cifar10 || config.data.source == DataSource::Cifar100)
        images = 50000;
    if (images > 0 && training.batchSize > images) {
        problems.push_back({"training.batch_size", fmt::format("training.batch_size {} is more than the {} training images; lower it.",
                                                               training.batchSize, images)});
    }
}

void checkData(const DataConfig& data, Problems& problems)
{
    if (data.source == DataSource::Folder && data.path.empty())
        problems.push_back({"data.path", "data.path must name the folder of images, because data.source is folder."});
    if (data.source == DataSource::Features && data.path.empty())
        problems.push_back({"data.path", "data.path must name the folder of latents and labels, because data.source is features."});
    if (data.source == DataSource::Garden && data.side > 128)
        problems.push_back({"data.side", fmt::format("data.side must be at most 128 pixels for the garden; it is {}.", data.side)});
    if ((data.source == DataSource::Cifar10 || data.source == DataSource::Cifar100) && data.side > 32)
        problems.push_back(
            {"data.side", fmt::format("data.side must be at most 32 pixels, the size of CIFAR images; it is {}.", data.side)});
}

/// With nothing left of the image, x_0 = (x_t - sqrt(1 - abar) eps) / sqrt(abar) is infinity minus infinity: training would go well and
/// every sample be NaN. A predicted mean divides by sqrt(abar) of the level before.
void checkSignalLeft(const DiffusionConfig& diffusion, Problems& problems)
{
    if (diffusion.meanType == MeanType::X0)
        return;
    constexpr double kLeast = 1e-76; // 1 / sqrt(abar) still fits into float32
    const auto betas = betaSchedule(diffusion.betaSchedule, diffusion.betaStart, diffusion.betaEnd, diffusion.timesteps);
    const auto needed = diffusion.meanType == MeanType::Eps ? betas.size() : betas.size() - 1;
    double left = 1.0;
    for (std::size_t i = 0; i < needed; ++i)
        left *= 1.0 - betas[i];
    if (left >= kLeast)
        return;
    const auto* type = diffusion.meanType == MeanType::Eps ? "eps" : "mean";
    if (diffusion.betaSchedule == BetaSchedule::Jsd && diffusion.meanType == MeanType::Eps) {
        problems.push_back({"diffusion.model_mean_type",
                            "diffusion.model_mean_type eps cannot be sampled with diffusion.beta_schedule jsd: its last level is noise "
                            "alone, from which no clean image follows. Choose x_0 or mean."});
    } else {
        problems.push_back({"diffusion.model_mean_type",
                            fmt::format("diffusion.model_mean_type {} cannot be sampled with these betas: the last levels are noise alone "
                                        "(abar {:.2g}), from which no clean image follows. Choose x_0, or lower diffusion.beta_end.",
                                        type, left)});
    }
}

void checkDiffusion(const DiffusionConfig& diffusion, Problems& problems)
{
    using enum BetaSchedule;
    const auto schedule = diffusion.betaSchedule;
    const bool ramps = schedule == Linear || schedule == Quad || schedule == Warmup10 || schedule == Warmup50;
    if (ramps && diffusion.betaStart > diffusion.betaEnd) {
        problems.push_back({"diffusion.beta_start", fmt::format("diffusion.beta_start {} must not be above diffusion.beta_end {}.",
                                                                numberText(diffusion.betaStart), numberText(diffusion.betaEnd))});
        return;
    }
    checkSignalLeft(diffusion, problems);
    if (diffusion.lossWeighting != LossWeighting::None && (!isSquaredError(diffusion.lossType) || diffusion.meanType == MeanType::Mean))
        problems.push_back({"diffusion.loss_weighting",
                            "diffusion.loss_weighting must be none unless diffusion.loss_type is mse and diffusion.model_mean_type is eps "
                            "or x_0: the published factors belong to these squared errors."});
    if (diffusion.lossType == LossType::RescaledMse && diffusion.varType != VarType::LearnedRange)
        problems.push_back({"diffusion.loss_type",
                            fmt::format("diffusion.loss_type must be mse, because diffusion.model_var_type is {} and there is no bound to "
                                        "rescale beside the squared error.",
                                        nameOf(diffusion.varType))});
}

void checkClasses(const RunConfig& config, Problems& problems)
{
    const auto classes = classesOf(config.model);
    std::int64_t has = 0; // 0: known only once the folder was read
    switch (config.data.source) {
    case DataSource::Garden:
    case DataSource::Cifar10:
        has = 10;
        break;
    case DataSource::Cifar100:
        has = 100;
        break;
    case DataSource::Folder:
    case DataSource::Features:
        break;
    }
    if (classes > 0 && has > 0 && classes != has)
        problems.push_back({"model.num_classes", fmt::format("model.num_classes is {}, but the images have {} classes{}.", classes, has,
                                                             drawsImages(config.model) ? "; 0 trains without classes" : "")});
}

/// The network gives a variance exactly where the process asks for one.
void checkVariance(const RunConfig& config, Problems& problems)
{
    const bool asked = config.diffusion.varType == VarType::LearnedRange;
    if (const auto* dit = std::get_if<DitConfig>(&config.model)) {
        if (asked && !dit->learnSigma)
            problems.push_back({"model.learn_sigma", "model.learn_sigma must be true, because diffusion.model_var_type is learned-range."});
        if (!asked && dit->learnSigma)
            problems.push_back({"model.learn_sigma",
                                fmt::format("model.learn_sigma must be false, because diffusion.model_var_type is {} and the predicted "
                                            "variance would never be trained.",
                                            nameOf(config.diffusion.varType))});
    } else if (asked && drawsImages(config.model)) {
        problems.push_back({"diffusion.model_var_type",
                            "diffusion.model_var_type must be fixed-large or fixed-small, because the U-Net predicts no variance; "
                            "learned-range needs model.kind dit with model.learn_sigma."});
    }
}

void checkGuidance(const SamplerConfig& sampler, const std::string& group, const ModelConfig& model, Problems& problems)
{
    const auto classes = classesOf(model);
    const auto dropout = classDropoutOf(model);
    if (sampler.guidance != 1.0 && (classes == 0 || dropout == 0.0))
        problems.push_back(
            {group + ".sampler.guidance",
             fmt::format("{}.sampler.guidance must be 1, because {}.", group,
                         classes == 0 ? "model.num_classes is 0 and the network knows no classes"
                                      : "model.class_dropout_prob is 0 and the network never learns to draw without a class")});
    if (sampler.label >= classes && sampler.label >= 0)
        problems.push_back({group + ".sampler.label",
                            classes == 0 ? fmt::format("{}.sampler.label must be -1, because the network knows no classes.", group)
                                         : fmt::format("{}.sampler.label must be from -1 to {}, the last class; it is {}.", group,
                                                       classes - 1, sampler.label)});
    const auto* dit = std::get_if<DitConfig>(&model);
    const std::int64_t stages = dit ? dit->numStages : 0;
    if (sampler.stage >= stages && sampler.stage >= 0)
        problems.push_back({group + ".sampler.stage",
                            stages == 0 ? fmt::format("{}.sampler.stage must be -1, because the network is not told its stage.", group)
                                        : fmt::format("{}.sampler.stage must be from -1 to {}, the last stage; it is {}.", group,
                                                      stages - 1, sampler.stage)});
}

void checkSampler(const SamplerConfig& sampler, const std::string& group, const DiffusionConfig& diffusion, Problems& problems)
{
    if (sampler.timestepRespacing.empty()) {
        if (sampler.kind == SamplerKind::Ddim && sampler.steps > diffusion.timesteps)
            problems.push_back(
                {group + ".sampler.steps", fmt::format("{}.sampler.steps must be at most diffusion.timesteps ({}); it is {}.", group,
                                                       diffusion.timesteps, sampler.steps)});
        return;
    }
    const auto path = group + ".sampler.timestep_respacing";
    if (const auto levels = respacedLevels(sampler.timestepRespacing, diffusion.timesteps); !levels)
        problems.push_back({path, fmt::format("{} {}.", path, levels.error().message)});
    else if (sampler.kind == SamplerKind::Ddpm && diffusion.meanType == MeanType::Mean)
        problems.push_back(
            {path, fmt::format("{} must be empty with {}.sampler.kind ddpm, because diffusion.model_mean_type is mean: such a "
                               "network predicts the image one level on, and no level can be passed over.",
                               path, group)});
}

void checkAverages(const RunConfig& config, Problems& problems)
{
    const auto& decays = config.training.ema.decays;
    for (std::size_t i = 0; i < decays.size(); ++i) {
        if (std::find(decays.begin(), decays.begin() + static_cast<std::ptrdiff_t>(i), decays[i]) !=
            decays.begin() + static_cast<std::ptrdiff_t>(i))
            problems.push_back({"training.ema.decays", fmt::format("training.ema.decays names {} twice.", numberText(decays[i]))});
    }
    if (drawsImages(config.model) && decays.empty() && config.samples.weights != WeightsChoice::Raw) {
        problems.push_back(
            {"samples.weights", "samples.weights must be raw, because training.ema.decays is empty and nothing is averaged."});
    }
}

void checkInit(const InitConfig& init, Problems& problems)
{
    if (!isWeightsName(init.weights))
        problems.push_back(
            {"init.weights", fmt::format("init.weights {} names no weights; known are ema, ema:DECAY (such as ema:0.9999) and "
                                         "raw.",
                                         shortText(init.weights))});
}

void checkEvaluation(const RunConfig& config, Problems& problems)
{
    const auto& evaluation = config.evaluation;
    if (evaluation.metric == MetricKind::Fid && evaluation.features.empty()) {
        problems.push_back({"evaluation.features",
                            "evaluation.features must name the Inception weights file, because evaluation.metric is fid; "
                            "fd needs no file."});
    }
    const bool draws = drawsImages(config.model);
    const bool fits = evaluation.metric == MetricKind::Auto || (evaluation.metric == MetricKind::Accuracy) != draws;
    if (!fits)
        problems.push_back({"evaluation.metric",
                            fmt::format("evaluation.metric must be {}, because this model {}; it is {}.", draws ? "fd or fid" : "accuracy",
                                        draws ? "draws images" : "tells images apart and draws none", nameOf(evaluation.metric))});
}

/// What only networks that draw have.
void checkDrawing(const RunConfig& config, Problems& problems)
{
    checkDiffusion(config.diffusion, problems);
    checkVariance(config, problems);
    for (const auto& [group, sampler] :
         {std::pair<const char*, const SamplerConfig&>{"samples", config.samples.sampler}, {"evaluation", config.evaluation.sampler}}) {
        checkSampler(sampler, group, config.diffusion, problems);
        checkGuidance(sampler, group, config.model, problems);
    }
}

} // namespace

std::vector<Problem> crossCheck(const RunConfig& config)
{
    Problems problems;
    checkBatch(config, problems);
    checkData(config.data, problems);
    std::ranges::move(checkAugment(config), std::back_inserter(problems));
    std::ranges::move(checkLatents(config), std::back_inserter(problems));
    if (const auto seen = seenImage(config); seen.side * seen.pixels == config.data.side) // else said already
        std::ranges::move(checkModel(config.model, seen.side, seen.pixels), std::back_inserter(problems));
    checkLength(config, problems);
    std::ranges::move(checkSchedule(config), std::back_inserter(problems));
    checkOptimizer(config.training, problems);
    checkAverages(config, problems);
    checkEvaluation(config, problems);
    checkInit(config.init, problems);
    checkClasses(config, problems);
    if (drawsImages(config.model))
        checkDrawing(config, problems);
    return problems;
}

} // namespace espalier::config
