// SPDX-License-Identifier: Apache-2.0
// Autoencoders under the names of present diffusers, whoever wrote the file. Older diffusers called the attention layers query, key, value
// and proj_attn. The original latent-diffusion code has other names throughout, levels of the decoder in reverse and attention as
// convolutions, alone or as the first_stage_model of a whole Stable Diffusion.
#include "core/formats/arrangement.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <string_view>
#include <utility>

namespace espalier::formats {
namespace {

using Renamed = std::pair<std::string_view, std::string_view>;
constexpr Renamed kOlder[] = {{".query.", ".to_q."}, {".key.", ".to_k."}, {".value.", ".to_v."}, {".proj_attn.", ".to_out.0."}};
constexpr Renamed kOriginal[] = {{".nin_shortcut.", ".conv_shortcut."},
                                 {".norm_out.", ".conv_norm_out."},
                                 {".mid.block_1.", ".mid_block.resnets.0."},
                                 {".mid.block_2.", ".mid_block.resnets.1."},
                                 {".mid.attn_1.norm.", ".mid_block.attentions.0.group_norm."},
                                 {".mid.attn_1.q.", ".mid_block.attentions.0.to_q."},
                                 {".mid.attn_1.k.", ".mid_block.attentions.0.to_k."},
                                 {".mid.attn_1.v.", ".mid_block.attentions.0.to_v."},
                                 {".mid.attn_1.proj_out.", ".mid_block.attentions.0.to_out.0."}};
constexpr std::string_view kAttention = ".attentions.";

void replace(std::string& name, std::string_view from, std::string_view to)
{
    if (const auto at = name.find(from); at != std::string::npos)
        name.replace(at, from.size(), to);
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

std::string nameOfOlder(std::string name)
{
    if (name.find(kAttention) != std::string::npos)
        for (const auto& [from, to] : kOlder)
            replace(name, from, to);
    return name;
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
    for (const auto& [from, to] : kOriginal)
        replace(name, from, to);
    return name;
}

bool hasBoth(const std::vector<FileTensor>& tensors, std::string_view prefix)
{
    const auto has = [&](std::string_view name) {
        return std::any_of(tensors.begin(), tensors.end(), [&](const auto& tensor) {
            return tensor.name.starts_with(prefix) && std::string_view(tensor.name).substr(prefix.size()) == name;
        });
    };
    return has("encoder.conv_in.weight") && has("decoder.conv_in.weight");
}

/// Of a whole Stable Diffusion only the autoencoder; of its training neither the averages' twins nor the loss.
std::vector<FileTensor> autoencoderAlone(const std::vector<FileTensor>& tensors)
{
    const bool part = hasBoth(tensors, kFirstStage);
    std::vector<FileTensor> alone;
    for (auto tensor : tensors) {
        if (part ? !tensor.name.starts_with(kFirstStage) : tensor.name.starts_with("loss.") || tensor.name.starts_with("model_ema."))
            continue;
        if (part)
            tensor.name.erase(0, kFirstStage.size());
        alone.push_back(std::move(tensor));
    }
    return alone;
}

} // namespace

bool looksLikeAutoencoder(const std::vector<FileTensor>& tensors)
{
    return hasBoth(tensors, "") || hasBoth(tensors, kFirstStage);
}

Result<Arrangement> fromAutoencoder(const std::vector<FileTensor>& tensors, const std::filesystem::path& file)
{
    const auto alone = autoencoderAlone(tensors);
    std::int64_t levels = 0;
    for (const auto& tensor : alone)
        levels = std::max(levels, levelBehind(tensor.name, "decoder.up.") + 1);
    Arrangement result;
    if (levels > 0)
        result.layout = "latent-diffusion";
    std::set<std::string> names;
    for (const auto& tensor : alone) {
        auto now = levels > 0 ? nameOfOriginal(tensor.name, levels) : nameOfOlder(tensor.name);
        if (!names.insert(now).second)
            return Error{
                ErrorCode::Format, fmt::format("{} holds {} under its old and its new name; remove one of them.", file.string(), now), {}};
        auto shape = tensor.shape;
        if (levels > 0 && now.find(kAttention) != std::string::npos && shape.size() == 4 && shape[2] == 1 && shape[3] == 1)
            shape.resize(2); // it was a convolution
        result.tensors.push_back(
            {std::move(now), tensor.dtype, std::move(shape), tensor.bytes, ArrangedTensor::Made::Joined, {tensor.place}, {}});
    }
    return result;
}

} // namespace espalier::formats
