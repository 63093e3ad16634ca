// SPDX-License-Identifier: Apache-2.0
#include "core/generation/shared_drawing.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace espalier::generation {
namespace {

constexpr std::int64_t kOnCpu = 16, kMostOnGpu = 256;

} // namespace

std::int64_t drawingPiece(at::Device device, std::int64_t count, int ranks)
{
    return device.is_cpu() ? kOnCpu : std::clamp<std::int64_t>((count + ranks - 1) / ranks, 1, kMostOnGpu);
}

parallel::Crew::Work drawingWork(Generator& generator, const Progress& progress, std::stop_token stop)
{
    return [&generator, progress, stop](const at::Tensor& slots) {
        return generator.draw(slots[0].item<std::int64_t>(), slots.size(0), slots.size(0), progress, stop);
    };
}

Result<Done> drawTogether(Generator& generator, const Json& ask, std::int64_t first, std::int64_t count, parallel::Crew& crew,
                          const Progress& progress, std::stop_token stop, const parallel::Crew::Take& take)
{
    const auto piece = drawingPiece(generator.device(), count, crew.size());
    const auto whole = static_cast<double>(count - first);
    std::int64_t taken = 0;
    // While this rank draws a piece, the others draw theirs.
    const auto share = [&](double done) {
        const auto now = std::min(piece * crew.size(), count - first - taken);
        if (progress)
            progress((static_cast<double>(taken) + done * static_cast<double>(now)) / whole);
    };
    return crew.map(ask, at::arange(first, count, at::kLong), piece, drawingWork(generator, share, stop),
                    [&](std::int64_t from, const at::Tensor& images) -> Result<Done> {
                        taken = from + images.size(0);
                        return take(first + from, images);
                    });
}

} // namespace espalier::generation
