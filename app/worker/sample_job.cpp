// SPDX-License-Identifier: Apache-2.0
#include "app/worker/job.h"

#include "core/generation/evaluation_set.h"
#include "core/generation/grid.h"
#include "core/generation/previews.h"
#include "core/generation/weights.h"

#include <fmt/format.h>

namespace espalier::worker {
namespace fs = std::filesystem;
namespace {

/// Folders named after the classes that are drawn, so that the images are a labelled set.
Result<std::vector<std::string>> classFolders(const Checkpoint& checkpoint, const generation::Generator& generator,
                                              const config::SamplerConfig& sampler)
{
    const auto classes = config::classesOf(checkpoint.config.model);
    if (classes == 0)
        return Error{ErrorCode::Usage, "--class-folders: this network knows no classes."};
    const auto nameOf = [&](std::int64_t label) {
        const auto at = static_cast<std::size_t>(label);
        const auto name = at < checkpoint.classNames.size() ? checkpoint.classNames[at] : std::string();
        // A name comes from a file: it must not lead out of the folder.
        const bool fine = !name.empty() && name.front() != '.' && name.find_first_of(std::string("/\\\0", 3)) == std::string::npos;
        return fine ? name : fmt::format("class-{:06d}", label);
    };
    std::vector<std::string> folders;
    if (generator.classesInTurn() == 0)
        folders.push_back(nameOf(sampler.label));
    for (std::int64_t label = 0; label < generator.classesInTurn(); ++label)
        folders.push_back(nameOf(label));
    return folders;
}

} // namespace

Result<Json> sampleJob(const Json& request, JobContext& context)
{
    const auto checkpoint = findCheckpoint(request);
    if (!checkpoint)
        return checkpoint.error();
    const auto weights = textOf(request, "weights", "ema"), devices = textOf(request, "device", "auto"), out = textOf(request, "out", "");
    const auto count = numberOf(request, "num", 64, 1, 10'000'000), seed = numberOf(request, "seed", 0, 0, std::int64_t{9} << 50);
    const auto sampler = samplerOf(request, checkpoint->config, "samples");
    if (!weights)
        return weights.error();
    if (!devices)
        return devices.error();
    if (!out)
        return out.error();
    if (!count)
        return count.error();
    if (!seed)
        return seed.error();
    if (!sampler)
        return sampler.error();
    if (out->empty())
        return Error{ErrorCode::Usage, "No folder was named for the images. Give one with --out."};
    const auto device = deviceFor(*devices, 0);
    if (!device)
        return device.error();
    setThreads(0, 1);
    if (!config::drawsImages(checkpoint->config.model))
        return Error{ErrorCode::Usage, "These weights tell images apart and draw none. Measure them with evaluate."};
    generation::DrawingModel drawing(checkpoint->config, *device);
    const auto model = drawing.from(checkpoint->folder, *weights);
    if (!model)
        return model.error();
    const auto codec = codecFor(*checkpoint, *device, context.log);
    if (!codec)
        return codec.error();
    generation::Generator generator(*model, checkpoint->config.diffusion, *sampler, static_cast<std::uint64_t>(*seed), *codec);
    const fs::path folder = *out;
    const auto progress = [&](double done) {
        context.link.progress(done * static_cast<double>(*count), static_cast<double>(*count), "images");
    };
    const bool npz = request.value("npz", false);
    generation::ImageFiles files{folder, {}};
    if (request.value("class_folders", false)) {
        auto folders = classFolders(*checkpoint, generator, *sampler);
        if (!folders)
            return folders.error();
        files.inTurn = *std::move(folders);
    }
    auto recipe = generator.recipe();
    recipe["weights"] = *weights;
    recipe["step"] = checkpoint->step;
    recipe["checkpoint"] = checkpoint->identity;
    auto images = generation::drawEvaluationSet(generator, *count, generation::drawingBatch(*device), files, recipe, npz, progress,
                                                context.link.stopToken());
    if (!images)
        return images.error();
    const auto layout = generation::gridLayout(*count, generator.classesInTurn());
    generation::nameColumns(recipe, layout, checkpoint->classNames);
    Json result{{"folder", folder.string()}, {"images", *count}, {"columns", layout.columns}, {"recipe", recipe}};
    if (*count <= 1024) {
        const auto file = folder / "grid.png";
        if (auto written = generation::writeGrid(file, *images, layout, recipe); !written)
            return written.error();
        result["grid"] = file.string();
    }
    if (npz)
        result["npz"] = (folder / "samples.npz").string();
    return result;
}

} // namespace espalier::worker
