// SPDX-License-Identifier: Apache-2.0
#include "core/shapes/layers.h"

#include "core/base/overloaded.h"

namespace espalier::shapes {

std::vector<Layer> layersOf(const ModelShape& shape)
{
    return std::visit(Overloaded{[&](const config::UNetConfig& unet) { return unetLayers(shape, unet); },
                                 [&](const config::DitConfig& dit) { return ditLayers(shape, dit); },
                                 [&](const config::VitConfig& vit) { return vitLayers(shape, vit); }},
                      shape.model);
}

} // namespace espalier::shapes
