// SPDX-License-Identifier: Apache-2.0
#include "app/cli/foreign_weights.h"

#include "core/base/files.h"
#include "core/config/config.h"
#include "core/shapes/layouts.h"
#include "core/shapes/published_settings.h"
#include "core/shapes/recognise.h"

#include <fmt/format.h>

#include <optional>
#include <vector>

namespace espalier::cli {
namespace fs = std::filesystem;

namespace {

std::vector<shapes::NamedShape> namedShapes(const formats::WeightsFile& weights)
{
    std::vector<shapes::NamedShape> tensors;
    for (const auto& entry : weights.entries())
        tensors.push_back({entry.name, entry.shape});
    return tensors;
}

/// unet.json beside unet.pt, as an export for ddpm-torch leaves it, if it is a configuration of this very network.
std::optional<Json> settingsBeside(const formats::WeightsFile& weights)
{
    const auto file = fs::path(weights.path()).replace_extension(".json");
    std::error_code ignored;
    if (file == weights.path() || !fs::is_regular_file(file, ignored))
        return std::nullopt;
    const auto text = readFile(file, 1u << 20);
    if (!text)
        return std::nullopt;
    auto overlay = config::overlayFromText(*text, file.string());
    if (!overlay)
        return std::nullopt;
    auto whole = *overlay;
    whole["data"]["path"] = file.parent_path().string(); // which such a file leaves open
    const auto config = config::read(whole);
    if (!config || !shapes::checkBelongs(shapes::shapeOf(*config), namedShapes(weights), weights.path().string()))
        return std::nullopt;
    return *std::move(overlay);
}

} // namespace

Result<shapes::Identified> identified(const formats::WeightsFile& weights)
{
    auto identity = shapes::identify(namedShapes(weights));
    if (!identity)
        return identity;
    if (auto* network = std::get_if<shapes::Recognised>(&identity->model)) {
        network->shape = shapes::withDiffusersConfig(std::move(network->shape), weights.folderConfig());
        identity->name = shapes::describe(network->shape);
    }
    return identity;
}

Result<Json> settingsOf(const formats::WeightsFile& weights, const fs::path& path, const std::string& typed)
{
    const auto identity = identified(weights);
    if (!identity)
        return Error{ErrorCode::Usage,
                     fmt::format("{} does not say how its network was built, and no model of ours is recognised in it: {}", typed,
                                 identity.error().message),
                     {}};
    const auto* network = std::get_if<shapes::Recognised>(&identity->model);
    if (!network)
        return Error{
            ErrorCode::Usage, fmt::format("{} holds {}, which draws no images by itself.", typed, shapes::withArticle(identity->name)), {}};
    auto overlay = shapes::publishedSettings(network->shape, typed);
    if (!overlay) {
        auto beside = settingsBeside(weights);
        return beside ? Result<Json>(*std::move(beside)) : overlay;
    }
    std::error_code ignored;
    const auto vae = path / "vae"; // of a whole pipeline
    if (const auto* field = config::findField("latents.vae"); field && fs::is_directory(vae, ignored))
        config::setValue(*overlay, *field, vae.string());
    return overlay;
}

Result<Json> settingsToDraw(const formats::WeightsFile& weights, const fs::path& path, const std::string& typed)
{
    auto overlay = settingsOf(weights, path, typed);
    if (!overlay)
        return overlay;
    (*overlay)["data"]["path"] = path.parent_path().string();                     // nobody reads it: no data are needed
    (*overlay)["training"]["steps"] = 1;                                          // nor trains
    if (overlay->contains("latents") && !(*overlay)["latents"].contains("vae")) { // left open for --vae, as only ready latents may
        (*overlay)["data"].update({{"source", "features"}, {"flip", false}});
        (*overlay)["samples"]["every"] = 0;
    }
    const auto config = config::read(*overlay);
    if (!config)
        return Error{ErrorCode::Usage, fmt::format("{}: {}", typed, config.error().message), config.error().detail};
    return config::write(*config);
}

} // namespace espalier::cli
