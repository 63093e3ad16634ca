// SPDX-License-Identifier: Apache-2.0
#include "core/evaluation/inception_metrics.h"
#include "core/generation/shared_drawing.h"
#include "core/runs/metrics.h"
#include "core/training/examination.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace espalier::training {
namespace {

class DrawingExamination final : public Examination {
public:
    DrawingExamination(ExaminationParts parts, generation::Painter& painter, const std::optional<evaluation::InceptionFile>& inception)
        : m_parts(std::move(parts)), m_painter(painter), m_inception(inception)
    {
    }

    Result<Outcome> measure(const Call& call, parallel::Crew& crew, std::stop_token now) override
    {
        if (!m_parts.train->hasPixels())
            return Error{
                ErrorCode::Usage,
                "data.source features holds latents and no images to compare with. Evaluate a checkpoint with --reference instead.",
                {}};
        const auto& settings = call.settings;
        if (!m_judge) {
            auto made = generation::SetJudge::make(m_parts.train, m_parts.test, settings.images, m_parts.device, m_inception, crew,
                                                   m_parts.tick, now);
            if (!made)
                return made.error();
            m_judge.emplace(std::move(*made));
        }
        const auto ask = m_painter.ask("ema", settings.sampler, settings.seed);
        auto generator = m_painter.generator(call.state, ask);
        if (!generator)
            return generator.error();
        const auto count = std::min(settings.images, m_judge->count());
        const auto image = generator->image();
        auto images = at::empty({count, image.height, image.width, image.channels}, at::kByte);
        const auto drawn = generation::drawTogether(
            *generator, ask, 0, count, crew, [this](double) { m_parts.tick(); }, now,
            [&](std::int64_t first, const at::Tensor& some) -> Result<Done> {
                images.narrow(0, first, some.size(0)).copy_(some);
                return Done{};
            });
        if (!drawn)
            return drawn.error();
        const auto score = m_judge->judge(images, call.asked ? m_parts.train->size() : 0, crew, m_parts.tick, now);
        if (!score)
            return score.error();
        Outcome outcome{generation::evaluatedEvent(*score, *generator, "ema", call.state.counters.step, call.stage, 0.0), {}};
        outcome.curves.emplace_back(runs::leadingMetric(score->metric)->tag, score->distance.value);
        return outcome;
    }

    Result<parallel::Crew::Work> workFor(const Json& ask, const tensors::TrainState&, std::stop_token now) override
    {
        return m_inception ? evaluation::InceptionSet::workFor(ask, m_inception->network, now)
                           : evaluation::RandomDistance::workFor(ask, m_parts.device);
    }

private:
    const ExaminationParts m_parts;
    generation::Painter& m_painter;
    const std::optional<evaluation::InceptionFile>& m_inception;
    std::optional<generation::SetJudge> m_judge;
};

} // namespace

std::unique_ptr<Examination> examineDrawings(ExaminationParts parts, generation::Painter& painter,
                                             const std::optional<evaluation::InceptionFile>& inception)
{
    return std::make_unique<DrawingExamination>(std::move(parts), painter, inception);
}

} // namespace espalier::training
