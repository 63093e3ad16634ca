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

} // namespace espalier::growth
