// SPDX-License-Identifier: Apache-2.0
#include "app/worker/job.h"

#include "core/generation/evaluation_set.h"
#include "core/generation/grid.h"
#include "core/generation/previews.h"
#include "core/generation/weights.h"

#include <fmt/format.h>

namespace espalier::worker {
namespace fs = std::filesystem;

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
    auto recipe = generator.recipe();
    recipe["weights"] = *weights;
    recipe["step"] = checkpoint->step;
    recipe["checkpoint"] = checkpoint->identity;
    auto images = generation::drawEvaluationSet(generator, *count, generation::drawingBatch(*device), folder, recipe, npz, progress,
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
