// SPDX-License-Identifier: Apache-2.0
#include "app/worker/export_target.h"

#include "core/base/files.h"
#include "core/base/overloaded.h"
#include "core/base/parse_json.h"
#include "core/base/position_table.h"
#include "core/config/config.h"
#include "core/config/presets.h"
#include "core/formats/deep_incubation.h"
#include "core/formats/diffusers_dit.h"
#include "core/formats/torch_file.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <cstring>
#include <filesystem>

namespace espalier::worker {
namespace fs = std::filesystem;

namespace {

using shapes::Layout;

constexpr const char* kDiffusersFile = "diffusion_pytorch_model.safetensors";

/// Whether a file of that name is to be a PyTorch file; safetensors otherwise.
bool namedAsTorch(const fs::path& file)
{
    const auto extension = file.extension();
    return extension == ".pt" || extension == ".pth" || extension == ".bin";
}

Result<Done> checkTarget(const Exported& model, Layout layout)
{
    return std::visit(Overloaded{[&](const shapes::ModelShape& shape) { return shapes::checkLayout(shape, layout); },
                                 [&](const shapes::AutoencoderShape& shape) -> Result<Done> {
                                     if (layout == Layout::Dit || layout == Layout::Timm || layout == Layout::DeepIncubation ||
                                         layout == Layout::DdpmTorch)
                                         return Error{ErrorCode::Usage,
                                                      fmt::format("An {} cannot be written as {}: that code has none.",
                                                                  shapes::describe(shape), shapes::nameOf(layout)),
                                                      {}};
                                     return Done{};
                                 }},
                      model.model);
}

Result<formats::WrittenFile> writeFile(const Exported& model, Layout layout, std::vector<formats::SafetensorsItem> items,
                                       const std::string& which, const fs::path& out)
{
    if (layout == Layout::DeepIncubation) {
        const auto depth = std::get<config::VitConfig>(std::get<shapes::ModelShape>(model.model).model).depth;
        return formats::writeTorch(
            out, formats::deepIncubationCheckpoint(std::move(items),
                                                   {model.division.empty() ? std::vector{depth} : model.division, model.module}));
    }
    // As a bare state dict, whose names the published code loads with strict=True: it has no place for a configuration.
    if (layout != Layout::Safetensors && (layout == Layout::Torch || out.extension() != ".safetensors"))
        return formats::writeTorch(out, formats::torchStateDict(std::move(items)));
    std::map<std::string, std::string> about{{"format", "pt"}, {"espalier.weights", which}};
    if (std::holds_alternative<shapes::ModelShape>(model.model) && model.config.is_object())
        about["espalier.config"] = model.config.dump();
    if (!model.division.empty())
        about["espalier.assembling"] = Json{{"division", model.division}, {"module", model.module}}.dump();
    return formats::writeSafetensors(out, std::move(items), about);
}

/// diffusers computes the table of positions, so it has to be the usual one.
Result<Done> checkPositions(const std::vector<formats::SafetensorsItem>& items, const shapes::ModelShape& shape)
{
    constexpr float kRounding = 1e-5f; // of sines in another library
    const auto& dit = std::get<config::DitConfig>(shape.model);
    for (const auto& item : items) {
        if (item.name != "pos_embed")
            continue;
        const auto bytes = item.bytes();
        if (!bytes)
            return bytes.error();
        const auto usual = positionTable(dit.hiddenSize, shape.side / dit.patchSize);
        std::vector<float> own(bytes->size() / sizeof(float));
        std::memcpy(own.data(), bytes->data(), own.size() * sizeof(float));
        if (!std::equal(own.begin(), own.end(), usual.begin(), usual.end(),
                        [](float one, float other) { return std::abs(one - other) <= kRounding; }))
            return Error{
                ErrorCode::Usage,
                fmt::format("This {} cannot be written as diffusers: its table of positions is not the usual one, which is computed "
                            "there.",
                            shapes::describe(shape)),
                {}};
    }
    return Done{};
}

Result<formats::WrittenFile> writeFolder(const Exported& model, std::vector<formats::SafetensorsItem> items, const fs::path& folder)
{
    std::error_code error;
    fs::create_directories(folder, error);
    if (error)
        return ioError("make", folder, error.value());
    Json config;
    if (const auto* shape = std::get_if<shapes::ModelShape>(&model.model)) {
        if (auto usual = checkPositions(items, *shape); !usual)
            return usual.error();
        config = shapes::diffusersConfig(*shape);
        items = formats::toDiffusersDit(std::move(items), std::get<config::DitConfig>(shape->model).depth);
    } else {
        config = shapes::diffusersConfig(std::get<shapes::AutoencoderShape>(model.model), model.config);
    }
    auto written = formats::writeSafetensors(folder / kDiffusersFile, std::move(items), {{"format", "pt"}});
    if (!written)
        return written;
    if (auto done = writeFileAtomically(folder / "config.json", config.dump(2) + "\n"); !done)
        return done.error();
    return written;
}

/// The JSON that belongs to weights for ddpm-torch, beside them; its path, or why there is none. A file of somebody else stays as it is.
Result<fs::path> writeDdpmTorchConfig(const Exported& model, const fs::path& out)
{
    constexpr std::uint64_t kMost = std::uint64_t{1} << 20;
    if (model.config.is_null())
        return Error{ErrorCode::Usage, "No configuration was written beside the weights, because nobody said how noise was added.", {}};
    const auto run = config::read(model.config);
    if (!run)
        return run.error();
    const auto published = config::exportDdpmTorch(*run);
    if (!published)
        return published.error();
    auto file = fs::path(out).replace_extension(".json");
    if (file == out)
        file += ".json";
    std::error_code ignored;
    if (fs::exists(file, ignored))
        if (const auto there = readFile(file, kMost); !there || !config::importDdpmTorch(parseJson(*there)))
            return Error{
                ErrorCode::Usage,
                fmt::format("No configuration was written beside the weights, because {} is there and is something else.", file.string()),
                {}};
    if (auto done = writeFileAtomically(file, published->dump(2) + "\n"); !done)
        return done.error();
    return file;
}

} // namespace

Result<Layout> layoutFor(const std::string& to, const std::string& out)
{
    if (to.empty())
        return namedAsTorch(out) ? Layout::Torch : Layout::Safetensors;
    const auto layout = shapes::layoutOf(to);
    if (!layout)
        return Error{
            ErrorCode::Usage, fmt::format("--to {}: that layout is unknown. Known: {}.", to, fmt::join(shapes::layoutNames(), ", ")), {}};
    return *layout;
}

Result<Json> writeExport(const Exported& model, Layout layout, std::vector<formats::SafetensorsItem> items, const std::string& which,
                         const std::string& out)
{
    if (auto fits = checkTarget(model, layout); !fits)
        return fits.error();
    const auto tensors = items.size();
    const bool folder = layout == Layout::Diffusers;
    auto written = folder ? writeFolder(model, std::move(items), out) : writeFile(model, layout, std::move(items), which, out);
    if (!written)
        return written.error();
    if (written->sha256.empty()) {
        auto sum = sha256OfFile(out);
        if (!sum)
            return sum.error();
        written->sha256 = *std::move(sum);
    }
    Json result{
        {"file", out}, {"layout", shapes::nameOf(layout)}, {"bytes", written->bytes}, {"sha256", written->sha256}, {"tensors", tensors}};
    if (layout == Layout::DdpmTorch) {
        const auto config = writeDdpmTorchConfig(model, out);
        result[config ? "config_file" : "config_problem"] = config ? config->string() : config.error().message;
    }
    return result;
}

} // namespace espalier::worker
