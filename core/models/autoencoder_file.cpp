// SPDX-License-Identifier: Apache-2.0
#include "core/models/autoencoder_file.h"

#include "core/base/files.h"
#include "core/base/parse_json.h"
#include "core/formats/weights_file.h"
#include "core/tensors/tensor_files.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace espalier::models {
namespace fs = std::filesystem;
namespace {

constexpr std::int64_t kMostLevels = 8, kMostBlocks = 16, kWidest = 4096;
constexpr const char* kWeightFiles[] = {"diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin",
                                        "diffusion_pytorch_model.fp16.safetensors", "model.safetensors"};

Error wrong(const std::string& file, const std::string& field, const std::string& why)
{
    return {ErrorCode::Format, fmt::format("{}: \"{}\" {}.", file, field, why), {}};
}

/// Settings that are fixed in what we build; a missing one has this value.
const Json& fixedSettings()
{
    static const Json fixed{
        {"act_fn", "silu"},        {"mid_block_add_attention", true}, {"use_quant_conv", true}, {"use_post_quant_conv", true},
        {"shift_factor", nullptr}, {"latents_mean", nullptr},         {"latents_std", nullptr}};
    return fixed;
}

Result<Done> checkFixed(const Json& config, const std::string& file)
{
    for (const auto& [key, value] : fixedSettings().items())
        if (config.contains(key) && config[key] != value)
            return wrong(file, key,
                         fmt::format("is {}, and only autoencoders with {} can be used", config[key].dump().substr(0, 100), value.dump()));
    for (const auto& [key, block] : {std::pair{"down_block_types", "DownEncoderBlock2D"}, {"up_block_types", "UpDecoderBlock2D"}})
        if (const auto types = config.find(key); types != config.end())
            if (!types->is_array() || std::any_of(types->begin(), types->end(), [&](const Json& type) { return type != block; }))
                return wrong(file, key, fmt::format("must name {} alone", block));
    return Done{};
}

Result<Done> checkOptions(const AutoencoderOptions& o, const std::string& file)
{
    const auto in = [](std::int64_t value, std::int64_t most) { return value >= 1 && value <= most; };
    if (!in(static_cast<std::int64_t>(o.channels.size()), kMostLevels))
        return wrong(file, "block_out_channels", fmt::format("must have 1 to {} entries", kMostLevels));
    if (!in(o.blocks, kMostBlocks))
        return wrong(file, "layers_per_block", fmt::format("must be from 1 to {}", kMostBlocks));
    if (!in(o.latentChannels, 64) || !in(o.imageChannels, 64))
        return wrong(file, "latent_channels", "and \"in_channels\" must be from 1 to 64");
    for (const auto width : o.channels)
        if (!in(width, kWidest) || o.groups < 1 || width % o.groups != 0)
            return wrong(file, "block_out_channels",
                         fmt::format("must hold multiples of norm_num_groups ({}) up to {}; one is {}", o.groups, kWidest, width));
    if (!std::isfinite(o.scalingFactor) || o.scalingFactor <= 0.0)
        return wrong(file, "scaling_factor", "must be a number above 0");
    return Done{};
}

/// The shape of an autoencoder from its tensors; how many groups its norms have is not in them.
Result<AutoencoderOptions> optionsOf(const tensors::TensorMap& weights, const std::string& file)
{
    AutoencoderOptions o;
    const auto width = [&](const std::string& name, std::int64_t dimension) -> std::int64_t {
        const auto found = weights.find(name);
        return found == weights.end() || found->second.dim() != 4 ? 0 : found->second.size(dimension);
    };
    const auto conv = [](std::size_t level, std::int64_t block) {
        return fmt::format("encoder.down_blocks.{}.resnets.{}.conv1.weight", level, block);
    };
    o.channels.clear();
    for (std::int64_t found = 0; o.channels.size() < kMostLevels && (found = width(conv(o.channels.size(), 0), 0)) > 0;)
        o.channels.push_back(found);
    o.blocks = 0;
    while (o.blocks < kMostBlocks && width(conv(0, o.blocks), 0) > 0)
        ++o.blocks;
    o.latentChannels = width("quant_conv.weight", 0) / 2;
    o.imageChannels = width("encoder.conv_in.weight", 1);
    if (o.channels.empty() || o.blocks == 0 || o.latentChannels == 0 || o.imageChannels == 0)
        return Error{ErrorCode::Format,
                     fmt::format("{} holds no autoencoder: encoder.conv_in, encoder.down_blocks or quant_conv is missing.", file),
                     {}};
    if (std::any_of(o.channels.begin(), o.channels.end(), [&](std::int64_t c) { return c % o.groups != 0; }))
        return Error{
            ErrorCode::Format,
            fmt::format("{} does not say into how many groups its norms divide the channels. Put its config.json beside it.", file),
            {}};
    return o;
}

Result<fs::path> weightsIn(const fs::path& folder)
{
    std::error_code ignored;
    for (const auto* name : kWeightFiles)
        for (const auto* split : {"", ".index.json"})
            if (auto file = folder / (std::string(name) + split); fs::exists(file, ignored))
                return file;
    if (fs::is_directory(folder / "vae", ignored) && !fs::exists(folder / "config.json", ignored))
        return weightsIn(folder / "vae");
    return Error{ErrorCode::Io,
                 fmt::format("{} holds no autoencoder: diffusion_pytorch_model.safetensors or .bin is expected in it.", folder.string()),
                 {}};
}

Result<AutoencoderOptions> optionsFor(const fs::path& weights, const tensors::TensorMap& tensors)
{
    const auto file = weights.parent_path() / "config.json";
    std::error_code ignored;
    if (!fs::exists(file, ignored))
        return optionsOf(tensors, weights.string());
    const auto text = readFile(file, 1 << 20);
    if (!text)
        return text.error();
    return autoencoderOptions(parseJson(*text), file.string());
}

/// Of the tensors that decide latents, as float32, by name.
std::string hashOfEncoder(const AutoencoderKL& network)
{
    std::map<std::string, at::Tensor> parts;
    for (const auto& item : network.named_parameters())
        if (item.key().starts_with("encoder.") || item.key().starts_with("quant_conv."))
            parts.emplace(item.key(), item.value());
    std::string all;
    for (const auto& [name, value] : parts) {
        const auto bytes = value.detach().cpu().contiguous();
        all += fmt::format("{} {}\n", name, sha256({static_cast<const std::byte*>(bytes.const_data_ptr()), bytes.nbytes()}));
    }
    return sha256(std::as_bytes(std::span(all.data(), all.size())));
}

} // namespace

Result<AutoencoderOptions> autoencoderOptions(const Json& config, const std::string& file)
{
    if (!config.is_object())
        return Error{ErrorCode::Format, fmt::format("{} is no JSON object.", file), {}};
    if (auto fixed = checkFixed(config, file); !fixed)
        return fixed.error();
    AutoencoderOptions o;
    const std::pair<const char*, std::int64_t&> numbers[] = {{"in_channels", o.imageChannels},
                                                             {"latent_channels", o.latentChannels},
                                                             {"layers_per_block", o.blocks},
                                                             {"norm_num_groups", o.groups}};
    for (const auto& [key, value] : numbers)
        if (const auto found = config.find(key); found != config.end()) {
            if (!found->is_number_integer())
                return wrong(file, key, "must be a whole number");
            value = found->get<std::int64_t>();
        }
    if (config.contains("out_channels") && config["out_channels"] != o.imageChannels)
        return wrong(file, "out_channels", "must be equal to \"in_channels\"");
    if (const auto scale = config.find("scaling_factor"); scale != config.end()) {
        if (!scale->is_number())
            return wrong(file, "scaling_factor", "must be a number above 0");
        o.scalingFactor = scale->get<double>();
    }
    if (const auto widths = config.find("block_out_channels"); widths != config.end()) {
        if (!widths->is_array() || widths->size() > kMostLevels ||
            std::any_of(widths->begin(), widths->end(), [](const Json& w) { return !w.is_number_integer(); }))
            return wrong(file, "block_out_channels", "must be a list of whole numbers");
        o.channels = widths->get<std::vector<std::int64_t>>();
    }
    if (auto fine = checkOptions(o, file); !fine)
        return fine.error();
    return o;
}

Result<AutoencoderFile> openAutoencoder(const fs::path& path, c10::Device device)
{
    std::error_code ignored;
    if (!fs::exists(path, ignored))
        return Error{ErrorCode::Io, fmt::format("There is no file or folder {}.", path.string()), {}};
    const auto file = fs::is_directory(path, ignored) ? weightsIn(path) : Result<fs::path>(path);
    if (!file)
        return file.error();
    const auto weights = tensors::readTensors(*file);
    if (!weights)
        return weights.error();
    const auto options = optionsFor(*file, *weights);
    if (!options)
        return options.error();
    if (auto fine = checkOptions(*options, file->string()); !fine)
        return fine.error();
    // Convolutions are most of it, and they like channels innermost.
    AutoencoderFile opened{std::make_shared<AutoencoderKL>(*options, Place{device, at::kFloat, true}), *file, {}, {}};
    if (auto loaded = loadWeights(*opened.network, *weights, file->string()); !loaded)
        return loaded.error();
    opened.network->eval();
    for (auto& parameter : opened.network->parameters())
        parameter.set_requires_grad(false);
    auto hash = formats::sha256OfWeights(*file);
    if (!hash)
        return hash.error();
    opened.sha256 = *std::move(hash);
    opened.encoderSha256 = hashOfEncoder(*opened.network);
    return opened;
}

} // namespace espalier::models
