// SPDX-License-Identifier: Apache-2.0
// Configurations of tqch/ddpm-torch (configs/*.json), both ways: the same names where we have them, so that a published run needs no
// typing.
#include "core/base/text.h"
#include "core/config/config.h"
#include "core/config/presets.h"
#include "core/config/value_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <span>

namespace espalier::config {

namespace {

struct Dataset {
    const char* name;
    DataSource source;
    std::int64_t side, images;
};
constexpr Dataset kDatasets[] = {
    {"cifar10", DataSource::Cifar10, 32, 50000}, {"celeba", DataSource::Folder, 64, 202599}, {"celebahq", DataSource::Folder, 256, 30000}};

struct Renamed {
    const char* theirs;
    const char* ours; // path of our setting
};
constexpr Renamed kDiffusion[] = {{"timesteps", "diffusion.timesteps"},
                                  {"beta_start", "diffusion.beta_start"},
                                  {"beta_end", "diffusion.beta_end"},
                                  {"beta_schedule", "diffusion.beta_schedule"},
                                  {"model_mean_type", "diffusion.model_mean_type"},
                                  {"model_var_type", "diffusion.model_var_type"},
                                  {"loss_type", "diffusion.loss_type"}};
constexpr Renamed kModel[] = {{"hid_channels", "model.hid_channels"},     {"ch_multipliers", "model.ch_multipliers"},
                              {"num_res_blocks", "model.num_res_blocks"}, {"apply_attn", "model.apply_attn"},
                              {"drop_rate", "model.drop_rate"},           {"resample_with_conv", "model.resample_with_conv"},
                              {"block_size", "model.block_size"}};
constexpr Renamed kTrain[] = {{"lr", "training.learning_rate"},
                              {"beta1", "training.beta1"},
                              {"beta2", "training.beta2"},
                              {"batch_size", "training.batch_size"},
                              {"num_accum", "training.accumulation"},
                              {"epochs", "training.epochs"},
                              {"warmup", "training.warmup_steps"},
                              {"grad_norm", "training.grad_norm"},
                              {"num_workers", "data.workers"},
                              {"num_samples", "samples.count"}};

Error usage(std::string message, std::string_view path)
{
    return {ErrorCode::Usage, std::move(message), std::string(path)};
}

/// Takes the fields of one group over, each checked as the setting it becomes. Fields in `special` are left to the caller.
Result<Done> takeGroup(const Json& published, const char* group, std::span<const Renamed> renamed, std::vector<std::string> special,
                       Json& overlay)
{
    const auto found = published.find(group);
    if (found == published.end())
        return Done{};
    if (!found->is_object())
        return usage(fmt::format("\"{}\" must be an object; it is {}.", group, valueText(*found)), group);
    for (const auto& [key, value] : found->items()) {
        const auto row = std::find_if(renamed.begin(), renamed.end(), [&](const Renamed& r) { return key == r.theirs; });
        if (row == renamed.end()) {
            if (std::find(special.begin(), special.end(), key) != special.end())
                continue;
            for (const auto& r : renamed)
                special.emplace_back(r.theirs);
            const auto nearest = key.size() <= 64 ? nearestWord(key, special) : "";
            return usage(fmt::format("\"{}\" has no field \"{}\" in the DDPM baseline{}.", group, shortText(key),
                                     nearest.empty() ? fmt::format("; it has {}", fmt::join(special, ", "))
                                                     : fmt::format("; did you mean {}?", nearest)),
                         fmt::format("{}.{}", group, shortText(key)));
        }
        if (key == "model_var_type" && value == "learned")
            return usage("diffusion.model_var_type \"learned\" is not supported: the published code cannot build it either.",
                         "diffusion.model_var_type");
        const auto* field = findField(row->ours);
        if (auto sentence = checkValue(*field, value))
            return usage(fmt::format("{}.{}: {}", group, key, *sentence), fmt::format("{}.{}", group, key));
        setValue(overlay, *field, value);
    }
    return Done{};
}

Result<Dataset> datasetOf(const Json& published)
{
    const Json name = published.value("dataset", Json("cifar10"));
    if (name.is_string()) {
        auto plain = name.get<std::string>();
        plain.erase(std::remove_if(plain.begin(), plain.end(), [](char c) { return c == '-' || c == '_'; }), plain.end());
        for (const auto& dataset : kDatasets) {
            if (plain == dataset.name)
                return dataset;
        }
    }
    return usage(fmt::format("\"dataset\" must be one of cifar10, celeba, celebahq to be imported; it is {}.", valueText(name)), "dataset");
}

void set(Json& overlay, const char* path, Json value)
{
    setValue(overlay, *findField(path), std::move(value));
}

/// A flag or number of theirs that has no setting of the same meaning.
template <class T>
Result<T> special(const Json& group, const char* name, const char* key, T fallback, bool (Json::*is)() const noexcept, const char* what)
{
    const auto found = group.find(key);
    if (found == group.end())
        return fallback;
    if (!((*found).*is)())
        return usage(fmt::format("{}.{} must be {}; it is {}.", name, key, what, valueText(*found)), fmt::format("{}.{}", name, key));
    return found->template get<T>();
}

Result<Done> takeIntervals(const Json& train, const Dataset& dataset, Json& overlay)
{
    const auto batch = valueOf(overlay, *findField("training.batch_size")).get<std::int64_t>();
    const auto stepsPerEpoch = std::max<std::int64_t>(1, dataset.images / batch);
    const std::pair<const char*, const char*> intervals[] = {{"image_intv", "samples.every"}, {"chkpt_intv", "checkpoints.every"}};
    const std::int64_t published[] = {10, 120};
    for (std::size_t i = 0; i < 2; ++i) {
        const auto [theirs, ours] = intervals[i];
        const auto epochs =
            special<std::int64_t>(train, "train", theirs, published[i], &Json::is_number_integer, "a whole number of epochs");
        if (!epochs)
            return epochs.error();
        if (*epochs < 0 || *epochs > 1000000)
            return usage(fmt::format("train.{} must be from 0 to 1000000 epochs; it is {}.", theirs, *epochs),
                         fmt::format("train.{}", theirs));
        set(overlay, ours, *epochs * stepsPerEpoch);
    }
    return Done{};
}

Result<Done> takeAverages(const Json& train, Json& overlay)
{
    const auto use = special<bool>(train, "train", "use_ema", false, &Json::is_boolean, "true or false");
    if (!use)
        return use.error();
    if (!*use) {
        set(overlay, "training.ema.decays", Json::array());
        set(overlay, "samples.weights", "raw");
        return Done{};
    }
    const auto decay = special<double>(train, "train", "ema_decay", 0.9999, &Json::is_number, "a number");
    if (!decay)
        return decay.error();
    const auto& field = *findField("training.ema.decays");
    if (auto sentence = checkValue(field, Json::array({*decay})))
        return usage(fmt::format("train.ema_decay: {}", *sentence), "train.ema_decay");
    set(overlay, "training.ema.decays", Json::array({*decay}));
    set(overlay, "samples.weights", "ema");
    return Done{};
}

} // namespace

Result<Json> importDdpmTorch(const Json& published)
{
    if (!published.is_object())
        return usage("A configuration of the DDPM baseline must be an object.", "");
    for (const auto& [key, value] : published.items()) {
        if (key != "dataset" && key != "seed" && key != "diffusion" && key != "model" && key != "train")
            return usage(
                fmt::format("The DDPM baseline has no field \"{}\"; it has dataset, seed, diffusion, model and train.", shortText(key)),
                shortText(key));
    }
    const auto dataset = datasetOf(published);
    if (!dataset)
        return dataset.error();
    Json overlay = Json::object();
    set(overlay, "seed", published.value("seed", Json(1234)));
    if (auto sentence = checkValue(*findField("seed"), overlay["seed"]))
        return usage(std::move(*sentence), "seed");
    set(overlay, "data.source", dataset->source == DataSource::Cifar10 ? "cifar10" : "folder");
    set(overlay, "data.side", dataset->side);
    set(overlay, "training.epochs", 50); // the command line's default, where the file has none

    if (auto taken = takeGroup(published, "diffusion", kDiffusion, {}, overlay); !taken)
        return taken.error();
    if (auto taken = takeGroup(published, "model", kModel, {"in_channels"}, overlay); !taken)
        return taken.error();
    if (auto taken = takeGroup(published, "train", kTrain, {"use_ema", "ema_decay", "image_intv", "chkpt_intv"}, overlay); !taken)
        return taken.error();
    if (published.contains("model") && published["model"].value("in_channels", Json(3)) != 3)
        return usage(
            fmt::format("model.in_channels must be 3: images are read as RGB; it is {}.", valueText(published["model"]["in_channels"])),
            "model.in_channels");
    const Json train = published.value("train", Json::object());
    for (const char* required : {"grad_norm", "warmup"}) { // they have no default in the published program
        if (!train.contains(required))
            return usage(fmt::format("train.{} is missing; the DDPM baseline has no default for it.", required),
                         fmt::format("train.{}", required));
    }
    if (auto taken = takeAverages(train, overlay); !taken)
        return taken.error();
    if (auto taken = takeIntervals(train, *dataset, overlay); !taken)
        return taken.error();
    if (!train.contains("num_samples"))
        set(overlay, "samples.count", 64);
    for (const char* group : {"samples.sampler.kind", "evaluation.sampler.kind"})
        set(overlay, group, "ddpm");
    return overlay;
}

namespace {

Json groupOf(const Json& settings, std::span<const Renamed> renamed)
{
    Json group = Json::object();
    for (const auto& [theirs, ours] : renamed)
        group[theirs] = valueOf(settings, *findField(ours));
    return group;
}

Json trainGroupOf(const RunConfig& run, const Json& settings, const Dataset& dataset)
{
    const auto stepsPerEpoch = std::max<std::int64_t>(1, dataset.images / run.training.batchSize);
    const auto inEpochs = [&](std::int64_t steps) { return std::max<std::int64_t>(1, (steps + stepsPerEpoch - 1) / stepsPerEpoch); };
    auto train = groupOf(settings, kTrain);
    if (run.training.epochs == 0)
        train["epochs"] = inEpochs(run.training.steps);
    const auto& decays = run.training.ema.decays;
    train["use_ema"] = !decays.empty();
    if (!decays.empty())
        train["ema_decay"] = decays.front();
    train["image_intv"] = inEpochs(run.samples.every);
    train["chkpt_intv"] = inEpochs(run.checkpoints.every);
    return train;
}

} // namespace

Result<Json> exportDdpmTorch(const RunConfig& run)
{
    const auto no = [](const std::string& why) {
        return usage(fmt::format("No configuration was written beside the weights: {}.", why), "");
    };
    if (!std::holds_alternative<UNetConfig>(run.model) || classesOf(run.model) > 0)
        return no("ddpm-torch has only the U-Net that is told no classes");
    if (run.latents.enabled)
        return no("ddpm-torch draws images, and this U-Net draws latents");
    if (run.diffusion.betaSchedule == BetaSchedule::Cosine)
        return no("ddpm-torch does not have the schedule cosine");
    const auto dataset =
        std::find_if(std::begin(kDatasets), std::end(kDatasets), [&](const Dataset& known) { return known.side == run.data.side; });
    if (dataset == std::end(kDatasets))
        return no(fmt::format("the data sets of ddpm-torch have side 32, 64 or 256, and this U-Net draws side {}", run.data.side));
    const auto settings = write(run);
    Json model{{"in_channels", 3}};
    model.update(groupOf(settings, kModel));
    return Json{{"dataset", dataset->name},
                {"seed", run.seed},
                {"diffusion", groupOf(settings, kDiffusion)},
                {"model", std::move(model)},
                {"train", trainGroupOf(run, settings, *dataset)}};
}

} // namespace espalier::config
