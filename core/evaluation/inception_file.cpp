// SPDX-License-Identifier: Apache-2.0
#include "core/evaluation/inception_file.h"

#include "core/base/files.h"
#include "core/formats/weights_file.h"
#include "core/shapes/identify.h"

#include <fmt/format.h>

#include <vector>

namespace espalier::evaluation {

namespace {

/// A checkpoint of another model is called by its name; anything else is left as it was said.
Error named(const std::filesystem::path& file, Error misfit)
{
    const auto weights = formats::WeightsFile::open(file);
    if (!weights)
        return misfit;
    std::vector<shapes::NamedShape> tensors;
    for (const auto& entry : weights->entries())
        tensors.push_back({entry.name, entry.shape});
    const auto identity = shapes::identify(tensors);
    if (!identity || std::holds_alternative<shapes::InceptionShape>(identity->model))
        return misfit;
    return {ErrorCode::Format,
            fmt::format("{} holds {}, but the Inception network of FID is expected.", file.string(), shapes::withArticle(identity->name)),
            {}};
}

} // namespace

Result<InceptionFile> openInception(const std::filesystem::path& file, at::Device device)
{
    auto network = models::readInception(file, device);
    if (!network)
        return named(file, network.error());
    auto hash = sha256OfFile(file);
    if (!hash)
        return hash.error();
    return InceptionFile{*std::move(network), file.filename().string(), *std::move(hash)};
}

} // namespace espalier::evaluation
