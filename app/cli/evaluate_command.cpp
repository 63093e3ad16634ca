// SPDX-License-Identifier: Apache-2.0
#include "app/cli/ask_run.h"
#include "app/cli/command.h"
#include "app/cli/draw_flags.h"
#include "app/cli/run_weights.h"
#include "core/base/text.h"
#include "core/config/config.h"
#include "core/runs/library.h"
#include "core/runs/metrics.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <string_view>

namespace espalier::cli {
namespace fs = std::filesystem;

namespace {

struct EvaluateOptions : DrawFlags {
    std::string images, reference, data, features = "random";
    std::vector<std::string> metrics; // none: what suits the weights
    std::optional<double> cropRatio;

    bool onRandom() const { return features == "random"; }
    /// The variational bound looks at real images alone.
    bool isBound() const { return metrics == std::vector<std::string>{"bpd"}; }
    /// The Inception Score looks at samples alone.
    bool needsReference() const { return metrics != std::vector<std::string>{"is"}; }
};

/// "fd", or several that share the Inception network.
Result<Done> checkMetrics(const EvaluateOptions& options)
{
    static constexpr std::string_view kKnown[] = {"fd", "fid", "sfid", "is", "pr", "kid", "bpd", "accuracy"};
    if (options.metrics.empty() && !options.onRandom())
        return Error{ErrorCode::Usage, "--features: name what is measured on that network with --metrics, such as fid.", {}};
    for (const auto& metric : options.metrics) {
        if (std::find(std::begin(kKnown), std::end(kKnown), metric) == std::end(kKnown))
            return Error{ErrorCode::Usage,
                         fmt::format("--metrics {}: this version does not measure that. Known: {}.", metric, fmt::join(kKnown, ", ")),
                         {}};
        if (metric == "bpd" && (!options.isBound() || !options.onRandom()))
            return Error{
                ErrorCode::Usage, "--metrics bpd stands alone and needs no --features: it looks at real images, not at samples.", {}};
        if (metric == "bpd" && (!options.images.empty() || !options.reference.empty()))
            return Error{
                ErrorCode::Usage,
                "--metrics bpd measures weights on the test images of their own set: give --checkpoint alone, without --images and "
                "--reference.",
                {}};
        if (metric == "fd" && !options.onRandom())
            return Error{ErrorCode::Usage, "--features: fd is measured on random features here. Leave --features out, or give random.", {}};
        if (metric == "fid" && options.onRandom())
            return Error{ErrorCode::Usage,
                         "--metrics fid needs the Inception network: distances on random features are FD, never FID. Name the network's "
                         "weights file with --features, or use --metrics fd.",
                         {}};
        if (metric == "accuracy" && (options.metrics.size() > 1 || !options.onRandom()))
            return Error{ErrorCode::Usage, "--metrics accuracy stands alone: a network that tells images apart draws none to compare.", {}};
        if (metric != "fd" && metric != "accuracy" && metric != "bpd" && options.onRandom())
            return Error{ErrorCode::Usage,
                         fmt::format("--metrics {} needs the Inception network: name its weights file with --features.", metric),
                         {}};
    }
    std::error_code error;
    if (!options.onRandom() && !fs::is_regular_file(options.features, error))
        return Error{ErrorCode::Usage, fmt::format("--features: there is no weights file {}.", options.features), {}};
    return Done{};
}

/// What the worker is told to measure.
void addMetrics(const EvaluateOptions& options, Json& request)
{
    request["metric"] = options.metrics.empty() ? "auto" : fmt::format("{}", fmt::join(options.metrics, ","));
    request["features"] = options.onRandom() ? options.features : absolutePath(options.features);
}

/// Numbers on the Inception network, one a line.
std::string inceptionText(const Json& result)
{
    static constexpr std::pair<const char*, const char*> kPlain[] = {
        {"fid", "FID"},       {"sfid", "sFID"},       {"precision", "Precision"},
        {"recall", "Recall"}, {"density", "Density"}, {"coverage", "Coverage"}};
    const auto images = static_cast<std::int64_t>(numberIn(result, "images")),
               real = static_cast<std::int64_t>(numberIn(result, "reference_images"));
    auto text =
        fmt::format("{} images, {}", groupedNumber(images),
                    real > 0 ? fmt::format("{} real ones", groupedNumber(real)) : std::string("none but statistics on the other side"));
    for (const auto& [name, title] : kPlain)
        if (result.contains(name))
            text += fmt::format("\n  {} {:.6g}", title, numberIn(result, name));
    if (result.contains("floor"))
        text += fmt::format("\n  FID of other real images {:.6g}", numberIn(result, "floor"));
    if (result.contains("inception_score"))
        text += fmt::format("\n  Inception Score {:.6g} ± {:.2g}", numberIn(result, "inception_score"),
                            numberIn(result, "inception_score_deviation"));
    if (result.contains("kid"))
        text += fmt::format("\n  KID {:.4g} ± {:.2g}", numberIn(result, "kid"), numberIn(result, "kid_deviation"));
    return text;
}

std::string accuracyText(const Json& result)
{
    auto text =
        fmt::format("Top-1 {:.2f} %, top-5 {:.2f} % of {} images, cross-entropy {:.4g}", numberIn(result, "top1"), numberIn(result, "top5"),
                    groupedNumber(static_cast<std::int64_t>(numberIn(result, "images"))), numberIn(result, "loss"));
    if (const auto unreadable = static_cast<std::int64_t>(numberIn(result, "unreadable")); unreadable > 0)
        text += fmt::format("\n  {} more could not be read", groupedNumber(unreadable));
    if (const auto file = textIn(result, "confusion"); !file.empty())
        text += fmt::format("\n  confusion matrix in {}", file);
    return text;
}

std::string numbersText(const Json& result)
{
    if (result.contains("top1"))
        return accuracyText(result);
    if (result.contains("bpd"))
        return fmt::format("{:.4f} bits per dimension on {} images, of which {:.4f} at the first level and {:.2g} before the last",
                           numberIn(result, "bpd"), groupedNumber(static_cast<std::int64_t>(numberIn(result, "images"))),
                           numberIn(result, "first_level"), numberIn(result, "prior"));
    if (!result.contains("fd"))
        return inceptionText(result);
    auto text = fmt::format("FD {:.4g} ± {:.2g} on {} images a side, random features", numberIn(result, "fd"), numberIn(result, "spread"),
                            groupedNumber(static_cast<std::int64_t>(numberIn(result, "images"))));
    text += fmt::format("\n  other real images {:.4g}, uniform noise {:.4g}", numberIn(result, "floor"), numberIn(result, "ceiling"));
    if (const auto nearest = result.find("nearest"); nearest != result.end())
        text += fmt::format("\n  nearest real image: median distance {:.4g}, least {:.4g}; {:.2g} % look like copies",
                            numberIn(*nearest, "median"), numberIn(*nearest, "least"), 100.0 * numberIn(*nearest, "copied_share"));
    return text;
}

int tellNumbers(const Json& result, Console& console)
{
    auto text = numbersText(result);
    if (const auto folder = textIn(result, "folder"); !folder.empty())
        text += fmt::format("\n  images in {}", folder);
    console.result(result, text);
    return 0;
}

Result<Done> checkThere(const char* flag, const std::string& path)
{
    std::error_code error;
    if (fs::exists(path, error))
        return Done{};
    return Error{ErrorCode::Usage, fmt::format("{}: there is no folder or npz {}.", flag, path), {}};
}

int compareImages(const EvaluateOptions& options, Console& console)
{
    if (options.reference.empty() && options.needsReference())
        return console.fail({ErrorCode::Usage, "--reference is missing: name the folder or npz to compare the images with.", {}});
    if (auto there = checkThere("--images", options.images); !there)
        return console.fail(there.error());
    auto places = jobPlaces(options.devices);
    if (!places)
        return console.fail(places.error());
    if (auto met = meetIn(*places, options.out.empty() ? "" : absolutePath(options.out)); !met)
        return console.fail(met.error());
    Json request{{"images", absolutePath(options.images)}, {"device", options.devices}};
    addMetrics(options, request);
    if (!options.reference.empty())
        request["reference"] = absolutePath(options.reference);
    if (options.num)
        request["num"] = *options.num;
    if (options.threads)
        request["threads"] = *options.threads;
    Signals signals;
    const Job job{"evaluate", request, places->devices, places->place};
    if (!places->leads())
        return helpWith(job, signals, console);
    const auto result = runJob(job, signals, console);
    return result ? tellNumbers(*result, console) : console.fail(result.error());
}

int evaluateLive(const EvaluateOptions& options, const runs::RunFolder& run, Signals& signals, Console& console)
{
    if (!options.out.empty())
        return console.fail(
            {ErrorCode::Busy,
             fmt::format("{} is training, so it evaluates itself: leave --out away, or name one of its checkpoints: --checkpoint "
                         "{}/step-…",
                         run.name(), run.checkpointsFolder().string()),
             {}});
    if (!options.data.empty())
        return console.fail(
            {ErrorCode::Busy,
             fmt::format("{} is training, and measures itself on its own images: leave --data away, or name one of its checkpoints: "
                         "--checkpoint {}/step-…",
                         run.name(), run.checkpointsFolder().string()),
             {}});
    if (!options.reference.empty())
        return console.fail(
            {ErrorCode::Busy,
             fmt::format("{} is training, and compares itself with its own images: leave --reference away, or name one of its "
                         "checkpoints: --checkpoint {}/step-…",
                         run.name(), run.checkpointsFolder().string()),
             {}});
    if (!options.onRandom() || options.isBound())
        return console.fail(
            {ErrorCode::Busy,
             fmt::format("{} is training, and measures what its settings say: leave --metrics and --features away, or name one of its "
                         "checkpoints: --checkpoint {}/step-…",
                         run.name(), run.checkpointsFolder().string()),
             {}});
    if (auto fine = options.checkLive(); !fine)
        return console.fail(fine.error());
    if (options.weights != "ema")
        return console.fail({ErrorCode::Usage, fmt::format("{} is training: --weights can only be ema now.", run.name()), {}});
    const auto wish = options.wish("images");
    if (const auto fine = configOf(run, "evaluation", wish); !fine)
        return console.fail(fine.error());
    const auto asked = askRun(run, runs::WishKind::Evaluate, wish, options.noWait ? Until::Sent : Until::Answered, signals, console);
    if (!asked)
        return console.fail(asked.error());
    Json json{{"run", run.root().string()}, {"wish", "evaluate"}, {"id", asked->id}};
    std::string text = asked->answer ? asked->answer->answer : fmt::format("Asked {} to evaluate.", run.name());
    for (const auto& event : asked->drawn)
        if (const auto evaluated = runs::eventAs<runs::Evaluated>(event)) {
            json["step"] = evaluated->step;
            json["evaluation"] = event.fields;
            json[evaluated->metric] = evaluated->value;
            text +=
                fmt::format("\n{} {:.4g} ({})", runs::metricTitle(evaluated->metric), evaluated->value, textIn(evaluated->recipe, "name"));
        }
    console.result(json, text);
    return 0;
}

int evaluateResting(const EvaluateOptions& options, const runs::RunFolder& run, Json request, const JobPlaces& places, Signals& signals,
                    Console& console)
{
    const auto chosen = checkpointOf(run, options.atStage);
    if (!chosen)
        return console.fail(chosen.error());
    request["checkpoint"] = chosen->folder.string();
    const Job job{"evaluate", request, places.devices, places.place};
    if (!places.leads())
        return helpWith(job, signals, console);
    const auto write = [&](OwnedRun& owned, Json& result) -> Result<Done> {
        const auto event = result.find("event");
        if (event == result.end() || !event->is_object())
            return Error{ErrorCode::Internal, "espalier-worker gave numbers without the event that belongs to them.", {}};
        auto fields = *event;
        fields["stage"] = chosen->stage;
        result.erase("event");
        return owned.events.append(runs::makeEventNow(runs::Evaluated::kKind, std::move(fields)));
    };
    const auto result = jobOnRun(run, job, write, signals, console);
    return result ? tellNumbers(*result, console) : console.fail(result.error());
}

int evaluate(const EvaluateOptions& options, Console& console)
{
    if (auto fine = checkMetrics(options); !fine)
        return console.fail(fine.error());
    if (options.images.empty() == options.checkpoint.empty())
        return console.fail(
            {ErrorCode::Usage, "Give --checkpoint to evaluate weights, or --images and --reference to compare two sets of images.", {}});
    for (const auto& [flag, path] : {std::pair{"--reference", options.reference}, {"--data", options.data}})
        if (auto there = path.empty() ? Done{} : checkThere(flag, path); !there)
            return console.fail(there.error());
    if (options.cropRatio && options.data.empty())
        return console.fail({ErrorCode::Usage, "--crop-ratio says how the images of --data are cut; name these too.", {}});
    if (!options.images.empty())
        return compareImages(options, console);
    auto drawing = drawRequest(options);
    if (!drawing)
        return console.fail(drawing.error());
    auto& request = drawing->request;
    addMetrics(options, request);
    if (!options.reference.empty())
        request["reference"] = absolutePath(options.reference);
    if (!options.data.empty())
        request["data"] = absolutePath(options.data);
    if (options.cropRatio)
        request["crop_ratio"] = *options.cropRatio;
    auto& places = drawing->places;
    Signals signals;
    if (const auto& run = drawing->weights.run) {
        const auto state = runs::summarize(run->root()).state;
        if (const auto may = runs::possible(runs::Action::Evaluate, state); places.leads() && !may)
            return console.fail({ErrorCode::Busy, fmt::format("{} ({}): {}", run->name(), runs::stateText(state), may.why), {}});
        if (runs::isLive(state) && places.leads()) // to the others a run that rank 0 has taken may look so
            return places.place.placed() ? console.fail(drawsItself(*run, "evaluate")) : evaluateLive(options, *run, signals, console);
        if (auto met = meetIn(places, run->root()); !met)
            return console.fail(met.error());
        return evaluateResting(options, *run, std::move(request), places, signals, console);
    }
    if (!drawing->config.is_null() && options.out.empty() && !options.isBound())
        return console.fail({ErrorCode::Usage, "No folder was named for the images that are drawn. Give one with --out.", {}});
    if (auto met = meetIn(places, options.out.empty() ? "" : absolutePath(options.out)); !met)
        return console.fail(met.error());
    const Job job{"evaluate", request, places.devices, places.place};
    if (!places.leads())
        return helpWith(job, signals, console);
    const auto result = runJob(job, signals, console);
    return result ? tellNumbers(*result, console) : console.fail(result.error());
}

} // namespace

void addEvaluate(CLI::App& app, Program& program)
{
    auto options = std::make_shared<EvaluateOptions>();
    auto* command = addCommand(app, program, "evaluate", "Measure weights, or compare two sets of images", [options, &program] {
        const auto label = options->readLabel();
        return label ? evaluate(*options, program.console) : program.console.fail(label.error());
    });
    options->addTo(*command, {.num = "Images on each side (default: as the settings say)",
                              .seed = "Seed of the starting noise (default: as the settings say)",
                              .out = "Folder for the images that are drawn (default: in the run's evaluations/)",
                              .noWait = "On a run that trains: ask, and do not wait for the numbers",
                              .leastNum = 2,
                              .mostNum = 1'000'000});
    command->add_option("--images", options->images, "A folder of images or an npz, instead of weights");
    command->add_option(
        "--reference", options->reference,
        "Compare with these images, a folder or npz, or with the statistics in an npz (default with --checkpoint: the training images)");
    command
        ->add_option(
            "--metrics", options->metrics,
            "fd: Fréchet distance on random features. With --features FILE any of fid, sfid, is (Inception Score), pr (precision and "
            "recall) and kid. bpd: variational bound of test images in bits per dimension. accuracy: of a network that tells images apart. "
            "Default: fd or accuracy, as the weights ask for")
        ->delimiter(',');
    command->add_option("--data", options->data,
                        "A folder of labelled images for a network that tells images apart: its validation images, or a folder for each "
                        "class (default: the test images of its training)");
    command
        ->add_option("--crop-ratio", options->cropRatio,
                     "Share of the shorter side of --data's images that is seen (default: 0.875, as published; 1 up to 32 pixels)")
        ->check(CLI::Range(0.1, 1.0));
    command->add_option("--features", options->features, "random, or the weights file of the Inception network")->capture_default_str();
}

} // namespace espalier::cli
