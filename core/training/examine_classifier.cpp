// SPDX-License-Identifier: Apache-2.0
#include "core/base/files.h"
#include "core/evaluation/classifier_report.h"
#include "core/runs/scalars.h"
#include "core/training/examination.h"

#include <fmt/format.h>

namespace espalier::training {
namespace {

class ClassifierExamination final : public Examination {
public:
    ClassifierExamination(ExaminationParts parts, const config::RunConfig& config, runs::RunFolder folder)
        : m_parts(std::move(parts)), m_config(config), m_folder(std::move(folder)), m_model(config, m_parts.device),
          m_pixels(config.model, m_parts.device)
    {
    }

    Result<Outcome> measure(const Call& call, parallel::Crew& crew, std::stop_token now) override
    {
        if (!m_parts.test)
            return Error{
                ErrorCode::Usage,
                fmt::format("There are no test images beside {}: accuracy is measured on images that were not trained on. Put them "
                            "into a folder \"test\" or \"val\", or set evaluation.every to 0.",
                            m_parts.train->description()),
                {}};
        const std::string weights = call.state.emaDecays.empty() ? "raw" : "ema";
        const auto model = m_model.from(call.state, weights);
        if (!model)
            return model.error();
        const auto score = evaluation::testClassifier({**model, m_pixels, *m_parts.test}, testOf(call.settings.images), crew,
                                                      {{"weights", weights}, {"images", call.settings.images}}, now);
        if (!score)
            return score.error();
        Outcome outcome{evaluation::classifierEvent(*score, {weights, "test", m_config.data.cropRatio, m_config.data.side},
                                                    call.state.counters.step, call.stage),
                        {{runs::tags::kTop1, score->top1()}, {runs::tags::kTop5, score->top5()}, {runs::tags::kTestLoss, score->loss}}};
        if (!call.asked && !call.last)
            return outcome;
        const auto file = m_folder.confusionFile(call.state.counters.step);
        std::error_code ignored; // writing says it
        std::filesystem::create_directories(file.parent_path(), ignored);
        const auto csv = runs::confusionCsv(evaluation::confusionOf(*score, m_parts.test->classNames()));
        if (auto written = writeFileAtomically(file, csv); !written)
            return written.error();
        outcome.event.extra["confusion"] = m_folder.relative(file);
        return outcome;
    }

    Result<parallel::Crew::Work> workFor(const Json& ask, const tensors::TrainState& state, std::stop_token now) override
    {
        const auto model = m_model.from(state, ask.at("weights").get<std::string>());
        if (!model)
            return model.error();
        return evaluation::classifierWork({**model, m_pixels, *m_parts.test}, testOf(ask.at("images").get<std::int64_t>()), m_parts.ranks,
                                          now);
    }

private:
    evaluation::ClassifierTest testOf(std::int64_t images) const
    {
        return {.images = images,
                .batch = generation::drawingBatch(m_parts.device),
                .threads = static_cast<int>(m_config.data.workers),
                .share = [this](double) { m_parts.tick(); }};
    }

    const ExaminationParts m_parts;
    const config::RunConfig m_config;
    const runs::RunFolder m_folder;
    generation::DrawingModel m_model;
    const models::PixelReader m_pixels;
};

} // namespace

std::unique_ptr<Examination> examineClassifier(ExaminationParts parts, const config::RunConfig& config, runs::RunFolder folder)
{
    return std::make_unique<ClassifierExamination>(std::move(parts), config, std::move(folder));
}

} // namespace espalier::training
