// SPDX-License-Identifier: Apache-2.0
#include "core/generation/previews.h"

#include "core/generation/grid.h"
#include "core/generation/shared_drawing.h"

#include <ATen/ATen.h>

#include <chrono>
#include <vector>

namespace espalier::generation {

Result<Done> Previews::draw(const tensors::TrainState& state, int stage, const config::SamplesConfig& samples, parallel::Crew& crew,
                            const Progress& progress, std::stop_token stop)
{
    std::vector<std::string> kinds;
    if (samples.weights != config::WeightsChoice::Raw && !state.emaDecays.empty())
        kinds.push_back("ema");
    if (samples.weights != config::WeightsChoice::Ema || kinds.empty())
        kinds.push_back("raw");
    const auto folder = m_writer.folder().samplesFolder(stage, state.counters.step);
    for (std::size_t k = 0; k < kinds.size(); ++k) {
        const auto began = std::chrono::steady_clock::now();
        const auto ask = m_painter.ask(kinds[k], samples.sampler, samples.seed);
        auto drawing = m_painter.generator(state, ask);
        if (!drawing)
            return drawing.error();
        const auto share = [&](double done) {
            if (progress)
                progress((static_cast<double>(k) + done) / static_cast<double>(kinds.size()));
        };
        const auto image = drawing->image();
        auto images = at::empty({samples.count, image.height, image.width, image.channels}, at::kByte);
        const auto drawn = drawTogether(*drawing, ask, 0, samples.count, crew, share, stop,
                                        [&](std::int64_t first, const at::Tensor& some) -> Result<Done> {
                                            images.narrow(0, first, some.size(0)).copy_(some);
                                            return Done{};
                                        });
        if (!drawn)
            return drawn;
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
        if (auto written = writeGrid(file, images, layout, recipe); !written)
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
