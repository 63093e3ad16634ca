// SPDX-License-Identifier: Apache-2.0
#include "core/plan/stages.h"

#include "core/plan/stage_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <functional>

namespace espalier::plan {
namespace {

Error wrong(const std::string& path, std::size_t stage, std::string_view what)
{
    return {ErrorCode::Usage, fmt::format("{}: stage {} {}", path, stage, what), path};
}

/// The entry of a stage, or what the model has where the list is empty.
template <class T>
T entry(const std::vector<T>& list, std::size_t stage, T otherwise)
{
    return stage < list.size() ? list[stage] : otherwise;
}

std::string_view trimmed(std::string_view text)
{
    while (!text.empty() && text.front() == ' ')
        text.remove_prefix(1);
    while (!text.empty() && text.back() == ' ')
        text.remove_suffix(1);
    return text;
}

std::vector<std::string_view> split(std::string_view text, char at)
{
    std::vector<std::string_view> parts;
    for (std::size_t begin = 0; begin <= text.size();) {
        const auto end = std::min(text.find(at, begin), text.size());
        parts.push_back(trimmed(text.substr(begin, end - begin)));
        begin = end + 1;
    }
    return parts;
}

std::optional<std::int64_t> wholeNumber(std::string_view text)
{
    std::int64_t value = 0;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (problem != std::errc() || end != text.data() + text.size() || value < 0 || value > 1'000'000)
        return std::nullopt;
    return value;
}

/// Never less than the stage before, and at last what the whole model has.
Result<Done> checkRises(const char* path, const std::vector<std::int64_t>& list, std::int64_t whole, const char* unit)
{
    for (std::size_t stage = 0; stage < list.size(); ++stage) {
        if (stage > 0 && list[stage] < list[stage - 1])
            return wrong(path, stage, fmt::format("has {} {} after {}: a model can only grow.", list[stage], unit, list[stage - 1]));
        if (list[stage] > whole)
            return wrong(path, stage, fmt::format("has {} {}, and the whole model has {}.", list[stage], unit, whole));
    }
    if (!list.empty() && list.back() != whole)
        return wrong(path, list.size() - 1,
                     fmt::format("is the last and must be the whole model, {} {}; it has {}.", whole, unit, list.back()));
    return Done{};
}

} // namespace

Result<std::vector<shapes::PartRange>> partsFromText(std::string_view text)
{
    std::vector<shapes::PartRange> parts;
    for (const auto word : split(text, '+')) {
        if (word == "all")
            return std::vector<shapes::PartRange>{};
        const auto colon = word.find(':');
        shapes::PartRange range{std::string(word.substr(0, colon))};
        if (colon != std::string_view::npos) {
            const auto numbers = word.substr(colon + 1);
            const auto dash = numbers.find('-');
            const auto first = wholeNumber(numbers.substr(0, dash));
            const auto last = dash == std::string_view::npos ? first : wholeNumber(numbers.substr(dash + 1));
            if (!first || !last || *last < *first)
                return Error{
                    ErrorCode::Usage,
                    fmt::format("\"{}\" is no part of a model: write all, a part such as head, or blocks of one such as blocks:0-3.",
                                word.substr(0, 60)),
                    "schedule.trainable"};
            range.begin = *first;
            range.end = *last + 1;
        }
        if (range.part.empty())
            return Error{ErrorCode::Usage, "A part of a model is missing between + signs.", "schedule.trainable"};
        parts.push_back(std::move(range));
    }
    return parts;
}

std::string textOf(const std::vector<shapes::PartRange>& parts)
{
    if (parts.empty())
        return "all";
    std::string text;
    for (const auto& range : parts) {
        text += text.empty() ? "" : "+";
        text += range.part.empty() ? "all" : range.part;
        if (range.end == range.begin + 1)
            text += fmt::format(":{}", range.begin);
        else if (range.end != -1)
            text += fmt::format(":{}-{}", range.begin, range.end - 1);
    }
    return text;
}

Result<Done> StagesStrategy::checkGrowth() const
{
    const auto* unet = std::get_if<config::UNetConfig>(&m_config.model);
    const auto depth = depthOf(m_config.model);
    const auto levels = unet ? static_cast<std::int64_t>(unet->chMultipliers.size()) : 1;
    for (const auto& risen : {checkRises("schedule.depth", m_schedule.depth, depth, "blocks"),
                              checkRises("schedule.levels", m_schedule.levels, levels, "levels"),
                              checkRises("schedule.blocks", m_schedule.blocks, depth, "blocks in each level"),
                              checkRises("schedule.side", m_schedule.side, m_config.data.side, "pixels")})
        if (!risen)
            return risen;
    const auto pixels = pixelsPerPosition(m_config);
    for (std::size_t stage = 0; stage < m_schedule.side.size(); ++stage) {
        if (m_schedule.side[stage] < kLeastSide)
            return wrong("schedule.side", stage,
                         fmt::format("asks for {} pixels; images have at least {}.", m_schedule.side[stage], kLeastSide));
        const auto model = modelOf(stage);
        if (!model)
            return model.error();
        const auto multiple = sideStep(*model) * pixels;
        if (m_schedule.side[stage] % multiple != 0)
            return wrong("schedule.side", stage,
                         fmt::format("asks for {} pixels, and its model takes multiples of {}{}.", m_schedule.side[stage], multiple,
                                     unet ? " for its levels" : " for its patches"));
    }
    return Done{};
}

Result<config::ModelConfig> StagesStrategy::modelOf(std::size_t stage) const
{
    auto model =
        withDepth(m_config.model, entry(std::holds_alternative<config::UNetConfig>(m_config.model) ? m_schedule.blocks : m_schedule.depth,
                                        stage, depthOf(m_config.model)));
    if (auto* unet = std::get_if<config::UNetConfig>(&model)) {
        const auto levels =
            static_cast<std::size_t>(entry(m_schedule.levels, stage, static_cast<std::int64_t>(unet->chMultipliers.size())));
        if (levels > unet->chMultipliers.size() || levels > unet->applyAttn.size() || levels == 0)
            return wrong("schedule.levels", stage, fmt::format("must have from 1 to {} levels.", unet->chMultipliers.size()));
        auto blocks = config::blocksOfLevels(*unet);
        blocks.resize(levels);
        unet->chMultipliers.resize(levels);
        unet->applyAttn.resize(levels);
        if (!unet->levelBlocks.empty())
            *unet = config::withLevelBlocks(*unet, std::move(blocks));
    }
    return withDrop(model, entry(m_schedule.drop, stage, dropOf(model)));
}

Result<std::vector<Length>> StagesStrategy::stageLengths() const
{
    if (m_schedule.steps.empty() && m_schedule.epochs.empty() && m_schedule.seconds.empty())
        return m_schedule.share.empty() ? equalLengths(m_schedule.stages) : lengths(m_schedule.share);
    std::vector<Length> parts;
    for (std::size_t stage = 0; stage < static_cast<std::size_t>(m_schedule.stages); ++stage) {
        config::TrainingConfig own;
        own.steps = entry(m_schedule.steps, stage, std::int64_t{0});
        own.epochs = entry(m_schedule.epochs, stage, std::int64_t{0});
        own.seconds = entry(m_schedule.seconds, stage, 0.0);
        own.batchSize = entry(m_schedule.batchSize, stage, m_config.training.batchSize);
        if (own.steps == 0 && own.epochs == 0 && own.seconds == 0.0)
            return wrong("schedule", stage, "has no end: one of its steps, epochs and seconds must be above 0.");
        parts.push_back(lengthOf(own, m_data.images));
    }
    return parts;
}

Result<std::vector<std::vector<shapes::PartRange>>> StagesStrategy::trainables() const
{
    const auto count = static_cast<std::size_t>(m_schedule.stages);
    std::vector<std::vector<shapes::PartRange>> each(count);
    if (trimmed(m_schedule.trainable).empty())
        return each;
    const auto texts = split(m_schedule.trainable, ';');
    if (texts.size() != count)
        return Error{ErrorCode::Usage,
                     fmt::format("schedule.trainable must say of each of the {} stages what trains, with ; between them; it has {}.", count,
                                 texts.size()),
                     "schedule.trainable"};
    for (std::size_t stage = 0; stage < count; ++stage) {
        auto parts = partsFromText(texts[stage]);
        if (!parts)
            return wrong("schedule.trainable", stage, fmt::format("cannot be read. {}", parts.error().message));
        const auto model = modelOf(stage);
        if (!model)
            return model.error();
        auto shape = shapes::shapeOf(m_config);
        shape.model = *model;
        for (const auto& range : *parts)
            if (auto inside = shapes::checkRange(shape, range); !inside)
                return wrong("schedule.trainable", stage, fmt::format("trains what does not exist. {}", inside.error().message));
        each[stage] = *std::move(parts);
    }
    return each;
}

Result<std::vector<Stage>> StagesStrategy::stages() const
{
    if (auto grows = checkGrowth(); !grows)
        return grows.error();
    const auto parts = stageLengths();
    if (!parts)
        return parts.error();
    const auto trained = trainables();
    if (!trained)
        return trained.error();
    const Growth growth{m_schedule.growth, m_schedule.growNewOnly, slowestAverage(m_config.training)};
    const auto pixels = pixelsPerPosition(m_config);
    std::vector<Stage> chain;
    for (std::size_t k = 0; k < parts->size(); ++k) {
        auto stage = whole();
        const auto model = modelOf(k);
        if (!model)
            return model.error();
        stage.id = stageId(static_cast<std::int64_t>(k));
        stage.index = static_cast<int>(k);
        stage.shape.model = *model;
        stage.length = (*parts)[k];
        stage.trainable = (*trained)[k];
        stage.globalBatch = entry(m_schedule.batchSize, k, m_config.training.batchSize);
        stage.learningRate = entry(m_schedule.learningRate, k, 1.0);
        stage.strengths = {entry(m_schedule.randAugment, k, std::int64_t{-1}), entry(m_schedule.eraseProb, k, -1.0)};
        const auto side = entry(m_schedule.side, k, m_config.data.side) / pixels;
        stage.side = side == stage.shape.side ? 0 : side;
        if (const auto* dit = std::get_if<config::DitConfig>(&stage.shape.model); dit && dit->numStages > 0)
            stage.sid = std::min(static_cast<std::int64_t>(k), dit->numStages - 1);
        if (k > 0) {
            const auto& before = chain.back();
            const bool grows = withDrop(before.shape.model, 0.0) != withDrop(stage.shape.model, 0.0);
            stage.after = {before.id};
            stage.weights = grows ? grown(before.id, before.shape, stage.shape, growth) : carriedOver(before.id);
            stage.optimizer = grows ? m_schedule.optimizer : config::Carry::Keep;
        }
        chain.push_back(std::move(stage));
    }
    return chain;
}

} // namespace espalier::plan
