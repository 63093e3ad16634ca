// SPDX-License-Identifier: Apache-2.0
#include "app/worker/classify_job.h"

#include "app/worker/job_ranks.h"
#include "core/base/files.h"
#include "core/data/dataset.h"
#include "core/evaluation/classifier_report.h"
#include "core/generation/generator.h"
#include "core/generation/weights.h"
#include "core/models/pixels.h"
#include "core/runs/run_folder.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace espalier::worker {
namespace fs = std::filesystem;
namespace {

/// Images of ImageNet are cut at 224 pixels from a shorter side of 256; those of CIFAR's size are shown as they are (DeiT, datasets.py).
double publishedCropRatio(std::int64_t side)
{
    return side > 32 ? 224.0 / 256.0 : 1.0;
}

/// The labelled images of a folder: its validation images where it has some, else all.
Result<std::shared_ptr<const data::Dataset>> openFolder(const Json& request, const std::string& folder, config::DataConfig& data,
                                                        const Log& log)
{
    data.source = config::DataSource::Folder;
    data.path = folder;
    data.crop = config::CentreCrop::Plain;
    data.scaledJpeg = false;
    const auto ratio = request.find("crop_ratio");
    if (ratio != request.end() && !ratio->is_number())
        return Error{ErrorCode::Usage, "crop_ratio of the request is no number.", "crop_ratio"};
    data.cropRatio = ratio == request.end() ? publishedCropRatio(data.side) : ratio->get<double>();
    if (auto test = data::open(data, data::Split::Test, {}, {}))
        return test;
    return data::open(data, data::Split::Train, {}, log);
}

/// The class of the network that each class of the images is: by name where both have names, else by number.
Result<std::vector<std::int64_t>> matchClasses(const std::vector<std::string>& network, const data::Dataset& images, std::int64_t classes)
{
    const auto& names = images.classNames();
    if (names.empty())
        return Error{ErrorCode::Usage,
                     fmt::format("{} has no classes: put the images of each class into a folder of its name.", images.description())};
    if (network.empty()) {
        if (static_cast<std::int64_t>(names.size()) != classes)
            return Error{
                ErrorCode::Usage,
                fmt::format("These weights tell {} classes apart and do not say which; there are {} in {}. Give a folder with all of "
                            "them.",
                            classes, names.size(), images.description())};
        return std::vector<std::int64_t>{};
    }
    std::vector<std::int64_t> matched;
    std::vector<std::string> unknown;
    for (const auto& name : names) {
        const auto found = std::ranges::find(network, name);
        if (found == network.end())
            unknown.push_back(name);
        matched.push_back(found - network.begin());
    }
    if (!unknown.empty()) {
        constexpr std::size_t kNamed = 5;
        const auto shown = std::span(unknown).first(std::min(kNamed, unknown.size()));
        return Error{ErrorCode::Usage, fmt::format("The network does not know {} of the classes in {}: {}{}.", unknown.size(),
                                                   images.description(), fmt::join(shown, ", "), unknown.size() > kNamed ? ", …" : "")};
    }
    return matched;
}

/// The numbers, the event that they become, and with `out` the confusion matrix.
Result<Json> answer(const evaluation::ClassifierScore& score, const Checkpoint& checkpoint, const std::string& weights,
                    const std::string& folder, const std::string& out, const config::DataConfig& data, const data::Dataset& images)
{
    auto event =
        evaluation::classifierEvent(score, {weights, folder.empty() ? "test" : folder, data.cropRatio, data.side}, checkpoint.step, 0);
    event.recipe["checkpoint"] = checkpoint.identity;
    if (!folder.empty()) // other images than the run's own: no number of its
        event.recipe["reference"] = {{"path", folder}};
    Json result{{"top1", score.top1()},           {"top5", score.top5()},           {"loss", score.loss},
                {"images", score.counts.count()}, {"unreadable", score.unreadable}, {"crop_ratio", data.cropRatio}};
    if (!out.empty()) {
        const auto file = fs::path(out) / "confusion.csv";
        std::error_code problem;
        fs::create_directories(file.parent_path(), problem);
        const auto names = checkpoint.classNames.empty() ? images.classNames() : checkpoint.classNames;
        if (auto written = writeFileAtomically(file, runs::confusionCsv(evaluation::confusionOf(score, names))); !written)
            return written.error();
        result["confusion"] = file.string();
    }
    result["event"] = runs::fieldsOf(event);
    return result;
}

} // namespace

Result<Json> classifyJob(const Json& request, const Checkpoint& checkpoint, JobContext& context)
{
    auto config = checkpoint.config;
    const auto folder = textOf(request, "data", ""), weights = textOf(request, "weights", "ema"), out = textOf(request, "out", "");
    for (const auto* text : {&folder, &weights, &out})
        if (!*text)
            return text->error();
    const auto count = numberOf(request, "num", 0, 2, 100'000'000);
    if (!count)
        return count.error();
    auto ranks = JobRanks::join(request, checkpoint.identity, context);
    if (!ranks)
        return ranks.error();
    const auto device = ranks->device();

    const auto images = folder->empty() ? data::open(config.data, data::Split::Test, runs::dataFolder(), context.log)
                                        : openFolder(request, *folder, config.data, context.log);
    if (!images)
        return images.error();
    generation::DrawingModel network(config, device);
    const auto model = network.from(checkpoint.folder, *weights);
    if (!model)
        return model.error();
    const auto classes = matchClasses(checkpoint.classNames, **images, (*model)->classes());
    if (!classes)
        return classes.error();
    const auto total = static_cast<double>(*count > 0 ? std::min(*count, (*images)->size()) : (*images)->size());
    const models::PixelReader pixels(config.model, device);
    const evaluation::ClassifierOnImages what{**model, pixels, **images};
    const evaluation::ClassifierTest test{.images = *count,
                                          .batch = generation::drawingBatch(device),
                                          .threads = static_cast<int>(config.data.workers),
                                          .classes = *classes,
                                          .share = [&](double done) { context.link.progress(done * total, total, "images"); }};
    const auto stop = context.link.stopToken();
    const auto lead = [&](parallel::Crew& crew) -> Result<Json> {
        const auto score = evaluation::testClassifier(what, test, crew, Json::object(), stop);
        return score ? answer(*score, checkpoint, *weights, *folder, *out, config.data, **images) : score.error();
    };
    return ranks->work(
        lead, [&](const Json&) -> Result<parallel::Crew::Work> { return evaluation::classifierWork(what, test, ranks->size(), stop); });
}

} // namespace espalier::worker
