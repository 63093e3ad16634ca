// SPDX-License-Identifier: Apache-2.0
#include "core/shapes/recognise.h"

#include "core/shapes/guess.h"
#include "core/shapes/identify.h"
#include "core/shapes/parameters.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace espalier::shapes {

namespace {

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

namespace {

constexpr std::string_view kParallel = "module.";
constexpr std::size_t kMostNamed = 5;

struct Gathered {
    Shapes shapes; // without the prefix
    bool parallel = false;
};

Result<Gathered> gather(std::span<const NamedShape> tensors)
{
    Gathered gathered;
    gathered.parallel = std::all_of(tensors.begin(), tensors.end(), [](const auto& t) { return t.name.starts_with(kParallel); });
    for (const auto& tensor : tensors) {
        if (!gathered.shapes.emplace(gathered.parallel ? tensor.name.substr(kParallel.size()) : tensor.name, tensor.shape).second)
            return unknown(fmt::format("The tensor {} is there twice.", tensor.name));
    }
    return gathered;
}

/// What keeps tensors from being those of a model, a phrase for each.
std::vector<std::string> misfitsOf(const ModelShape& shape, Shapes left)
{
    std::vector<std::string> misfits;
    for (const auto& parameter : parameterTable(shape)) {
        const auto found = left.find(parameter.name);
        if (found == left.end()) {
            misfits.push_back(fmt::format("{} is missing", parameter.name));
            continue;
        }
        if (found->second != parameter.shape)
            misfits.push_back(fmt::format("{} has shape [{}] and should have [{}]", parameter.name, fmt::join(found->second, ", "),
                                          fmt::join(parameter.shape, ", ")));
        left.erase(found);
    }
    for (const auto& [name, sizes] : left)
        misfits.push_back(fmt::format("it also holds {}, which such a model does not have", name.substr(0, 200)));
    return misfits;
}

/// "A is missing; it also holds B, which …; and 3 more tensors do not fit".
std::string listed(const std::vector<std::string>& misfits)
{
    const auto named = std::min(misfits.size(), kMostNamed);
    auto text = fmt::format("{}", fmt::join(misfits.begin(), misfits.begin() + static_cast<std::ptrdiff_t>(named), "; "));
    if (const auto more = misfits.size() - named; more > 0)
        text += fmt::format("; and {} more {} not fit", more, more == 1 ? "tensor does" : "tensors do");
    return text;
}

} // namespace

Result<Recognised> recognise(std::span<const NamedShape> tensors)
{
    if (tensors.empty())
        return unknown("There are no tensors to recognise a model by.");
    auto gathered = gather(tensors);
    if (!gathered)
        return std::move(gathered).error();
    auto guessed = guess(gathered->shapes);
    if (!guessed)
        return std::move(guessed).error();
    if (const auto misfits = misfitsOf(guessed->shape, std::move(gathered->shapes)); !misfits.empty())
        return unknown(fmt::format("This is nearly a {}, but {}.", describe(guessed->shape), listed(misfits)));
    return Recognised{std::move(guessed->shape), gathered->parallel ? std::string(kParallel) : std::string(), std::move(guessed->assumed)};
}

Result<Done> checkBelongs(const ModelShape& expected, std::span<const NamedShape> tensors, const std::string& file)
{
    auto gathered = gather(tensors);
    if (!gathered)
        return Error{ErrorCode::Format, fmt::format("{}: {}", file, gathered.error().message), {}};
    const auto misfits = misfitsOf(expected, std::move(gathered->shapes));
    if (misfits.empty())
        return Done{};
    const auto identity = identify(tensors);
    if (identity && !describe(expected).starts_with(identity->name)) // weights of a U-Net do not say its side
        return unknown(fmt::format("{} holds {}, but a {} is expected.", file, withArticle(identity->name), describe(expected)));
    return unknown(fmt::format("{} does not fit the {} that is expected: {}.", file, describe(expected), listed(misfits)));
}

} // namespace espalier::shapes
