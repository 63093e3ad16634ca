// SPDX-License-Identifier: Apache-2.0
#include "core/generation/weights.h"

#include "core/formats/weights_file.h"
#include "core/models/registry.h"
#include "core/shapes/recognise.h"
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

Result<Done> DrawingModel::checkForeign(const std::filesystem::path& from, const std::string& which) const
{
    std::error_code ignored;
    if (std::filesystem::exists(from / "manifest.json", ignored))
        return Done{};
    const auto file = formats::WeightsFile::open(from, which);
    if (!file)
        return file.error();
    std::vector<shapes::NamedShape> tensors;
    for (const auto& entry : file->entries())
        tensors.push_back({entry.name, entry.shape});
    return shapes::checkBelongs(shapes::shapeOf(m_config), tensors, from.string());
}

Result<std::shared_ptr<models::Model>> DrawingModel::from(const std::filesystem::path& checkpoint, const std::string& which)
{
    if (auto fits = checkForeign(checkpoint, which); !fits)
        return fits.error();
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
