// SPDX-License-Identifier: Apache-2.0
#include "app/worker/job_ranks.h"

#include "core/generation/evaluation_set.h"
#include "core/generation/grid.h"
#include "core/generation/shared_drawing.h"
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

/// What rank 0 does: all images into their files, with the help of the others.
Result<Json> drawAll(const Json& request, const Checkpoint& checkpoint, generation::Generator& generator,
                     const config::SamplerConfig& sampler, std::int64_t count, parallel::Crew& crew, const generation::Progress& progress,
                     JobContext& context)
{
    const bool npz = request.value("npz", false);
    const fs::path folder = request.at("out").get<std::string>();
    generation::ImageFiles files{folder, {}};
    if (request.value("class_folders", false)) {
        auto folders = classFolders(checkpoint, generator, sampler);
        if (!folders)
            return folders.error();
        files.inTurn = *std::move(folders);
    }
    auto recipe = generator.recipe();
    recipe["weights"] = request.value("weights", "ema");
    recipe["step"] = checkpoint.step;
    recipe["checkpoint"] = checkpoint.identity;
    auto images = generation::drawEvaluationSet(generator, count, files, recipe, npz, crew, progress, context.link.stopToken());
    if (!images)
        return images.error();
    const auto layout = generation::gridLayout(count, generator.classesInTurn());
    generation::nameColumns(recipe, layout, checkpoint.classNames);
    Json result{{"folder", folder.string()}, {"images", count}, {"columns", layout.columns}, {"recipe", recipe}};
    if (count <= 1024) {
        const auto file = folder / "grid.png";
        if (auto written = generation::writeGrid(file, *images, layout, recipe); !written)
            return written.error();
        result["grid"] = file.string();
    }
    if (npz)
        result["npz"] = (folder / "samples.npz").string();
    return result;
}

} // namespace

Result<Json> sampleJob(const Json& request, JobContext& context)
{
    const auto checkpoint = findCheckpoint(request);
    if (!checkpoint)
        return checkpoint.error();
    const auto weights = textOf(request, "weights", "ema"), out = textOf(request, "out", "");
    const auto count = numberOf(request, "num", 64, 1, 10'000'000), seed = numberOf(request, "seed", 0, 0, std::int64_t{9} << 50);
    const auto sampler = samplerOf(request, checkpoint->config, "samples");
    if (!weights)
        return weights.error();
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
    if (!config::drawsImages(checkpoint->config.model))
        return Error{ErrorCode::Usage, "These weights tell images apart and draw none. Measure them with evaluate."};
    auto ranks = JobRanks::join(request, checkpoint->identity, context);
    if (!ranks)
        return ranks.error();
    generation::DrawingModel drawing(checkpoint->config, ranks->device());
    const auto model = drawing.from(checkpoint->folder, *weights);
    if (!model)
        return model.error();
    const auto codec = codecFor(*checkpoint, ranks->device(), context.log);
    if (!codec)
        return codec.error();
    generation::Generator generator(*model, checkpoint->config.diffusion, *sampler, static_cast<std::uint64_t>(*seed), *codec);
    const auto progress = [&](double done) {
        context.link.progress(done * static_cast<double>(*count), static_cast<double>(*count), "images");
    };
    const auto lead = [&](parallel::Crew& crew) {
        return drawAll(request, *checkpoint, generator, *sampler, *count, crew, progress, context);
    };
    return ranks->work(lead, [&](const Json&) -> Result<parallel::Crew::Work> {
        return generation::drawingWork(generator, progress, context.link.stopToken());
    });
}

} // namespace espalier::worker
