// SPDX-License-Identifier: Apache-2.0
#include "core/generation/weights.h"

#include "core/models/registry.h"
#include "core/tensors/weights_source.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

namespace espalier::generation {

Result<Done> DrawingModel::make()
{
    if (m_model)
        return Done{};
    auto model = models::make(m_config.model, models::imageShape(m_config), m_device, m_config.training.channelsLast);
    if (!model)
        return model.error();
    m_model = *model;
    m_model->eval();
    return Done{};
}

Result<std::shared_ptr<models::Model>> DrawingModel::from(const tensors::TrainState& state, const std::string& which)
{
    if (auto made = make(); !made)
        return made.error();
    std::size_t average = 0;
    if (which != "raw" && which != "ema") {
        for (; average < state.emaDecays.size(); ++average)
            if (tensors::emaName(state.emaDecays[average]) == which)
                break;
        if (average == state.emaDecays.size())
            return Error{ErrorCode::Usage, fmt::format("This run keeps no weights \"{}\". Ask for raw or ema.", which)};
    }
    const bool raw = which == "raw" || state.emaDecays.empty();
    const at::NoGradGuard noGrad;
    auto parameters = m_model->named_parameters();
    for (const auto& slot : state.slots)
        parameters[slot.name].copy_(raw ? slot.value : slot.ema[average]);
    return m_model;
}

Result<std::shared_ptr<models::Model>> DrawingModel::from(const std::filesystem::path& checkpoint, const std::string& which)
{
    if (auto made = make(); !made)
        return made.error();
    const auto weights = tensors::WeightsSource::open(checkpoint, which);
    if (!weights)
        return weights.error();
    std::vector<std::pair<std::string, at::Tensor>> parameters;
    for (const auto& parameter : m_model->named_parameters())
        parameters.emplace_back(parameter.key(), parameter.value());
    if (auto read = weights->readAll(std::move(parameters)); !read)
        return read.error();
    return m_model;
}

} // namespace espalier::generation
