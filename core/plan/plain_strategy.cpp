// SPDX-License-Identifier: Apache-2.0
#include "core/plan/strategy.h"

#include <fmt/format.h>

#include <algorithm>

namespace espalier::plan {

Result<Plan> PlainStrategy::begin(const config::RunConfig& config) const
{
    const auto batch = config.training.batchSize;
    if (m_data.images < batch) {
        return Error{ErrorCode::Usage,
                     fmt::format("training.batch_size {} is more than the {} training images; lower it to {} or less.", batch,
                                 m_data.images, std::max<std::int64_t>(m_data.images, 1)),
                     "training.batch_size"};
    }
    Stage stage;
    stage.id = "stage-00";
    stage.shape = shapes::shapeOf(config);
    const auto& init = config.init;
    stage.weights = {init.from.empty() ? PartSource{} : PartSource{{}, PartSource::From::File, init.from, {}, init.weights}};
    stage.length = lengthOf(config.training, m_data.images);
    stage.globalBatch = batch;
    stage.devices = config.devices;
    Plan plan{{std::move(stage)}, {}, {{"kind", "plain"}}};
    if (auto checked = check(plan); !checked)
        return std::move(checked).error();
    return plan;
}

std::vector<Request> PlainStrategy::ready(const Plan& plan) const
{
    std::vector<Request> requests;
    const auto ended = [&](const StageId& id) { return findMeasurement(plan, id) != nullptr; };
    for (const auto& stage : plan.stages) {
        if (!ended(stage.id) && std::all_of(stage.after.begin(), stage.after.end(), ended))
            requests.push_back(TrainStage{stage.id});
    }
    return requests;
}

Plan PlainStrategy::apply(Plan plan, const Measurement& measurement) const
{
    if (!findMeasurement(plan, measurement.id))
        plan.ledger.push_back(measurement);
    return plan;
}

} // namespace espalier::plan
