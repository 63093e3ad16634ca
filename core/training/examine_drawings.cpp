// SPDX-License-Identifier: Apache-2.0
#include "core/runs/metrics.h"
#include "core/training/examination.h"

#include <algorithm>

namespace espalier::training {
namespace {

class DrawingExamination final : public Examination {
public:
    DrawingExamination(ExaminationParts parts, generation::Previews& previews, const std::optional<evaluation::InceptionFile>& inception)
        : m_parts(std::move(parts)), m_previews(previews), m_inception(inception)
    {
    }

    Result<Outcome> measure(const Call& call, std::stop_token now) override
    {
        if (!m_parts.train->hasPixels())
            return Error{
                ErrorCode::Usage,
                "data.source features holds latents and no images to compare with. Evaluate a checkpoint with --reference instead.",
                {}};
        const auto& settings = call.settings;
        if (!m_judge) {
            auto made =
                generation::SetJudge::make(m_parts.train, m_parts.test, settings.images, m_parts.device, m_inception, m_parts.tick, now);
            if (!made)
                return made.error();
            m_judge.emplace(std::move(*made));
        }
        auto generator = m_previews.generator(call.state, "ema", settings.sampler, static_cast<std::uint64_t>(settings.seed));
        if (!generator)
            return generator.error();
        const auto count = std::min(settings.images, m_judge->count());
        const auto images = generator->draw(0, count, generation::drawingBatch(m_parts.device), [this](double) { m_parts.tick(); }, now);
        if (!images)
            return images.error();
        const auto score = m_judge->judge(*images, call.asked ? m_parts.train->size() : 0, m_parts.tick, now);
        if (!score)
            return score.error();
        Outcome outcome{generation::evaluatedEvent(*score, *generator, "ema", call.state.counters.step, call.stage, 0.0), {}};
        outcome.curves.emplace_back(runs::leadingMetric(score->metric)->tag, score->distance.value);
        return outcome;
    }

private:
    const ExaminationParts m_parts;
    generation::Previews& m_previews;
    const std::optional<evaluation::InceptionFile>& m_inception;
    std::optional<generation::SetJudge> m_judge;
};

} // namespace

std::unique_ptr<Examination> examineDrawings(ExaminationParts parts, generation::Previews& previews,
                                             const std::optional<evaluation::InceptionFile>& inception)
{
    return std::make_unique<DrawingExamination>(std::move(parts), previews, inception);
}

} // namespace espalier::training
