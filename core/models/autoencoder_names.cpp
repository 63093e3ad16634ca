// SPDX-License-Identifier: Apache-2.0
#include "core/models/autoencoder_names.h"

#include "core/shapes/autoencoder_shape.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string_view>
#include <vector>

namespace espalier::models {
namespace {

constexpr std::string_view kFirstStage = "first_stage_model.";
constexpr std::pair<std::string_view, std::string_view> kOriginalParts[] = {{".nin_shortcut.", ".conv_shortcut."},
                                                                            {".norm_out.", ".conv_norm_out."},
                                                                            {".mid.block_1.", ".mid_block.resnets.0."},
                                                                            {".mid.block_2.", ".mid_block.resnets.1."},
                                                                            {".mid.attn_1.norm.", ".mid_block.attentions.0.group_norm."},
                                                                            {".mid.attn_1.q.", ".mid_block.attentions.0.to_q."},
                                                                            {".mid.attn_1.k.", ".mid_block.attentions.0.to_k."},
                                                                            {".mid.attn_1.v.", ".mid_block.attentions.0.to_v."},
                                                                            {".mid.attn_1.proj_out.", ".mid_block.attentions.0.to_out.0."}};

bool replace(std::string& name, std::string_view from, std::string_view to)
{
    const auto at = name.find(from);
    if (at == std::string::npos)
        return false;
    name.replace(at, from.size(), to);
    return true;
}

/// The number of a level right behind `prefix`; -1 where there is none.
std::int64_t levelBehind(std::string_view name, std::string_view prefix)
{
    std::int64_t level = -1;
    if (name.starts_with(prefix)) {
        const auto [end, problem] = std::from_chars(name.data() + prefix.size(), name.data() + name.size(), level);
        if (problem != std::errc() || end == name.data() + name.size() || *end != '.' || level > 1000)
            return -1;
    }
    return level;
}

/// "encoder.down.1.block.0.norm1.weight" and its like; `levels` of the decoder count from the other end.
std::string nameOfOriginal(std::string name, std::int64_t levels)
{
    const auto move = [&](const std::string& from, const std::string& to) {
        const auto level = levelBehind(name, from);
        if (level < 0)
            return;
        const bool up = from == "decoder.up.";
        const auto rest = name.substr(name.find('.', from.size()));
        name = fmt::format("{}{}{}", to, up ? levels - 1 - level : level, rest);
        replace(name, ".block.", ".resnets.");
        replace(name, ".downsample.", ".downsamplers.0.");
        replace(name, ".upsample.", ".upsamplers.0.");
    };
    move("encoder.down.", "encoder.down_blocks.");
    move("decoder.up.", "decoder.up_blocks.");
    for (const auto& [from, to] : kOriginalParts)
        replace(name, from, to);
    return name;
}

/// Of a whole Stable Diffusion only the autoencoder; of its training neither the averages' twins nor the loss.
tensors::TensorMap autoencoderAlone(const tensors::TensorMap& weights)
{
    const bool part = std::any_of(weights.begin(), weights.end(), [](const auto& w) { return w.first.starts_with(kFirstStage); });
    tensors::TensorMap alone;
    for (const auto& [name, tensor] : weights) {
        if (part && name.starts_with(kFirstStage))
            alone.emplace(name.substr(kFirstStage.size()), tensor);
        else if (!part && !name.starts_with("loss.") && !name.starts_with("model_ema."))
            alone.emplace(name, tensor);
    }
    return alone;
}

} // namespace

Result<tensors::TensorMap> underPresentNames(const tensors::TensorMap& weights, const std::string& file)
{
    const auto alone = autoencoderAlone(weights);
    std::int64_t levels = 0;
    for (const auto& [name, tensor] : alone)
        levels = std::max(levels, levelBehind(name, "decoder.up.") + 1);
    tensors::TensorMap present;
    for (const auto& [name, tensor] : alone) {
        const auto now = levels > 0 ? nameOfOriginal(name, levels) : shapes::presentAutoencoderName(name);
        const bool wasConvolution =
            levels > 0 && now.find(".attentions.") != std::string::npos && tensor.dim() == 4 && tensor.size(2) * tensor.size(3) == 1;
        if (!present.emplace(now, wasConvolution ? tensor.flatten(1) : tensor).second)
            return Error{ErrorCode::Format, fmt::format("{} holds {} under its old and its new name; remove one of them.", file, now), {}};
    }
    return present;
}

} // namespace espalier::models
