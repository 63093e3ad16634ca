// SPDX-License-Identifier: Apache-2.0
#include "core/shapes/recognise.h"

#include "core/shapes/guess.h"
#include "core/shapes/parameters.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>

namespace espalier::shapes {

namespace {

/// Deep-Incubation saves each tensor of a ViT twice, as "stages.1.blocks.0.…" too; every such name must have its twin. Block j of a stage
/// is block j behind those of the stages before.
Result<std::vector<std::string>> takeTwins(Shapes& shapes)
{
    constexpr std::string_view kStages = "stages.", kBlocks = "blocks.";
    constexpr std::int64_t kMaxStages = 64, kMaxBlocks = 256;
    std::map<std::string, std::string, std::less<>> twins;
    for (std::int64_t stage = 0, before = 0; stage < kMaxStages; ++stage) {
        const auto prefix = fmt::format("{}{}.", kStages, stage);
        const auto blocks = countFrom(shapes, prefix + "blocks.", ".norm1.weight", kMaxBlocks);
        for (auto item = shapes.lower_bound(prefix); item != shapes.end() && item->first.starts_with(prefix); ++item) {
            auto inside = item->first.substr(prefix.size());
            std::int64_t block = 0;
            if (inside.starts_with(kBlocks)) {
                const auto [end, problem] = std::from_chars(inside.data() + kBlocks.size(), inside.data() + inside.size(), block);
                if (problem == std::errc() && block >= 0 && block < blocks)
                    inside = fmt::format("{}{}{}", kBlocks, before + block, end);
            }
            twins.emplace(item->first, std::move(inside));
        }
        before += blocks;
    }
    std::vector<std::string> taken;
    for (const auto& [name, twin] : twins) {
        const auto found = shapes.find(twin);
        if (found == shapes.end() || found->second != shapes.find(name)->second)
            return unknown(fmt::format("{} should be {} once more, which is not there or has another shape.", name.substr(0, 200),
                                       twin.substr(0, 200)));
        taken.push_back(name);
    }
    for (const auto& name : taken)
        shapes.erase(name);
    return taken;
}

Result<Guess> guess(const Shapes& shapes)
{
    if (shapes.contains("x_embedder.proj.weight"))
        return guessDit(shapes);
    if (shapes.contains("patch_embed.proj.weight"))
        return guessVit(shapes);
    return guessUNet(shapes, shapes.begin()->first.starts_with("_model.") ? "_model." : "");
}

} // namespace

const std::vector<std::int64_t>* shapeIn(const Shapes& shapes, const std::string& name, std::size_t dimensions)
{
    const auto found = shapes.find(name);
    return found == shapes.end() || found->second.size() != dimensions ? nullptr : &found->second;
}

std::int64_t countFrom(const Shapes& shapes, const std::string& prefix, const std::string& suffix, std::int64_t limit)
{
    std::int64_t count = 0;
    while (count < limit && shapes.contains(fmt::format("{}{}{}", prefix, count, suffix)))
        ++count;
    return count;
}

Error unknown(std::string message)
{
    return {ErrorCode::Format, std::move(message), ""};
}

Result<Guess> possible(Guess guess)
{
    if (auto checked = checkShape(guess.shape); !checked)
        return unknown(fmt::format("These tensors look like a {} that cannot be: {}", family(guess.shape), checked.error().message));
    return guess;
}

Result<Recognised> recognise(std::span<const NamedShape> tensors)
{
    if (tensors.empty())
        return unknown("There are no tensors to recognise a model by.");
    static constexpr std::string_view kParallel = "module.";
    const bool parallel = std::all_of(tensors.begin(), tensors.end(), [](const auto& t) { return t.name.starts_with(kParallel); });
    Shapes shapes;
    for (const auto& tensor : tensors) {
        if (!shapes.emplace(parallel ? tensor.name.substr(kParallel.size()) : tensor.name, tensor.shape).second)
            return unknown(fmt::format("The tensor {} is there twice.", tensor.name));
    }
    auto twins = takeTwins(shapes);
    if (!twins)
        return std::move(twins).error();
    auto guessed = guess(shapes);
    if (!guessed)
        return std::move(guessed).error();
    const auto* shape = &guessed->shape;
    auto left = shapes;
    for (const auto& parameter : parameterTable(*shape)) {
        const auto found = left.find(parameter.name);
        if (found == left.end())
            return unknown(fmt::format("This is nearly a {}, but {} is missing.", describe(*shape), parameter.name));
        if (found->second != parameter.shape) {
            return unknown(fmt::format("This is nearly a {}, but {} has shape [{}] and should have [{}].", describe(*shape), parameter.name,
                                       fmt::join(found->second, ", "), fmt::join(parameter.shape, ", ")));
        }
        left.erase(found);
    }
    if (!left.empty())
        return unknown(fmt::format("This is nearly a {}, but it also holds {}, which such a model does not have.", describe(*shape),
                                   left.begin()->first.substr(0, 200)));
    return Recognised{std::move(guessed->shape), parallel ? std::string(kParallel) : std::string(), std::move(guessed->assumed),
                      std::move(*twins)};
}

} // namespace espalier::shapes
