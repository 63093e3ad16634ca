// SPDX-License-Identifier: Apache-2.0
#include "core/growth/file_parent.h"

#include "core/shapes/recognise.h"
#include "core/tensors/checkpoint.h"

#include <ATen/ATen.h>

namespace espalier::growth {

Result<FileParent> readParent(const std::string& file, const std::string& which)
{
    auto weights = tensors::readWeights(file, which.empty() ? "raw" : which);
    if (!weights)
        return weights.error();
    std::vector<shapes::NamedShape> names;
    for (const auto& [name, tensor] : *weights)
        names.push_back({name, tensor.sizes().vec()});
    const auto known = shapes::recognise(names);
    if (!known)
        return known.error();
    FileParent parent{known->shape, {}};
    for (auto& [name, tensor] : *weights)
        parent.state.slots.push_back({.name = name.substr(known->prefix.size()), .value = std::move(tensor)});
    return parent;
}

Result<FileParent> readStage(const std::string& checkpoint, const shapes::ModelShape& shape)
{
    const auto manifest = tensors::readManifest(checkpoint);
    if (!manifest)
        return manifest.error();
    auto weights = tensors::readWeights(checkpoint, "raw");
    if (!weights)
        return weights.error();
    FileParent parent{shape, {}};
    parent.state.emaDecays = manifest->emaDecays;
    parent.state.counters = manifest->counters;
    parent.state.madeOn = manifest->madeOn;
    for (auto& [name, tensor] : *weights)
        parent.state.slots.push_back({.name = name, .value = std::move(tensor)});
    for (const double decay : manifest->emaDecays) {
        auto averages = tensors::readWeights(checkpoint, tensors::emaName(decay));
        if (!averages)
            return averages.error();
        for (auto& slot : parent.state.slots) {
            const auto found = averages->find(slot.name);
            if (found == averages->end())
                return Error{ErrorCode::Format, checkpoint + ": it has no average of " + slot.name + ".", {}};
            slot.ema.push_back(std::move(found->second));
        }
    }
    return parent;
}

} // namespace espalier::growth
