// SPDX-License-Identifier: Apache-2.0
#include "core/generation/previews.h"

#include "core/generation/grid.h"

#include <ATen/ATen.h>

#include <chrono>
#include <vector>

namespace espalier::generation {

std::int64_t drawingBatch(at::Device device)
{
    return device.is_cpu() ? 64 : 256;
}

Result<Generator> Previews::generator(const tensors::TrainState& state, const std::string& weights, const config::SamplerConfig& sampler,
                                      std::uint64_t seed)
{
    if (m_config.latents.enabled && !m_codec)
        return Error{ErrorCode::Usage,
                     "This run has no autoencoder to show its latents with. Pause it, and name one in latents.vae as it is resumed."};
    auto model = m_model.from(state, weights);
    if (!model)
        return model.error();
    return Generator(*model, m_config.diffusion, sampler, seed, m_codec);
}

Result<Done> Previews::draw(const tensors::TrainState& state, int stage, const config::SamplesConfig& samples, const Progress& progress,
                            std::stop_token stop)
{
    std::vector<std::string> kinds;
    if (samples.weights != config::WeightsChoice::Raw && !state.emaDecays.empty())
        kinds.push_back("ema");
    if (samples.weights != config::WeightsChoice::Ema || kinds.empty())
        kinds.push_back("raw");
    const auto folder = m_writer.folder().samplesFolder(stage, state.counters.step);
    for (std::size_t k = 0; k < kinds.size(); ++k) {
        const auto began = std::chrono::steady_clock::now();
        auto drawing = generator(state, kinds[k], samples.sampler, static_cast<std::uint64_t>(samples.seed));
        if (!drawing)
            return drawing.error();
        const auto share = [&](double done) {
            if (progress)
                progress((static_cast<double>(k) + done) / static_cast<double>(kinds.size()));
        };
        auto images = drawing->draw(0, samples.count, drawingBatch(drawing->device()), share, stop);
        if (!images)
            return images.error();
        auto recipe = drawing->recipe();
        recipe["weights"] = kinds[k];
        recipe["step"] = state.counters.step;
        const auto layout = gridLayout(samples.count, drawing->classesInTurn());
        recipe["columns"] = layout.columns;
        recipe["padding"] = layout.padding;
        recipe["cell"] = drawing->image().width;
        nameColumns(recipe, layout, m_classNames);
        std::error_code problem;
        std::filesystem::create_directories(folder, problem);
        const auto file = folder / (kinds[k] + ".png");
        if (auto written = writeGrid(file, *images, layout, recipe); !written)
            return written;
        const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
        m_writer.write(runs::SamplesDrawn{.step = state.counters.step,
                                          .stage = stage,
                                          .weights = kinds[k],
                                          .folder = m_writer.folder().relative(folder),
                                          .grid = m_writer.folder().relative(file),
                                          .count = samples.count,
                                          .columns = static_cast<int>(layout.columns),
                                          .recipe = recipe,
                                          .seconds = seconds});
        m_writer.image("samples/" + kinds[k], state.counters.step, file);
    }
    return Done{};
}

} // namespace espalier::generation
