// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/shapes/autoencoder_shape.h"
#include "core/shapes/recognise.h"

#include <span>
#include <string>
#include <variant>

namespace espalier::shapes {

/// The Inception network that FID is measured with, in the layout of pytorch-fid.
struct InceptionShape {};

/// Any model that files are read for here.
struct Identified {
    std::string name; // "DiT-S/2 at 32²", "AutoencoderKL …"
    std::variant<Recognised, AutoencoderShape, InceptionShape> model;
};

/// Like recognise(), and the autoencoder of latents and the network of FID besides. Inception goes by its first and last layers and the
/// number of its tensors: whoever loads it compares them all.
Result<Identified> identify(std::span<const NamedShape> tensors);
/// "a DiT-S/2 at 32²", "an AutoencoderKL …".
std::string withArticle(const std::string& name);

} // namespace espalier::shapes
