// SPDX-License-Identifier: Apache-2.0
#include "core/plan/chain.h"

#include "core/base/overloaded.h"
#include "core/plan/growth_map.h"
#include "core/plan/stage_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace espalier::plan {

Result<Plan> ChainStrategy::begin() const
{
    auto chain = stages();
    if (!chain)
        return chain.error();
    for (const auto& stage : *chain)
        if (const auto images = imagesOf(stage, m_data.images); images < stage.globalBatch)
            return Error{ErrorCode::Usage,
                         fmt::format("training.batch_size {} is more than the {} training images{}; lower it to {} or less.",
                                     stage.globalBatch, images, images < m_data.images ? " of stage " + stage.id : "",
                                     std::max<std::int64_t>(images, 1)),
                         "training.batch_size"};
    Plan plan{*std::move(chain), {}, {{"kind", kind()}}};
    if (auto checked = check(plan); !checked)
        return std::move(checked).error();
    return plan;
}

std::vector<Request> ChainStrategy::ready(const Plan& plan) const
{
    std::vector<Request> next;
    for (const auto& stage : plan.stages) {
        const auto ended = [&](const StageId& id) { return findMeasurement(plan, id) != nullptr; };
        if (ended(stage.id) || !std::ranges::all_of(stage.after, ended))
            continue;
        auto wanted = searches(stage);
        const auto open = std::ranges::find_if(wanted, [&](const Request& each) { return !ended(idOf(each)); });
        next.push_back(open == wanted.end() ? Request(TrainStage{stage.id}) : std::move(*open));
    }
    return next;
}

Plan ChainStrategy::apply(Plan plan, const Measurement& measurement) const
{
    if (findMeasurement(plan, measurement.id))
        return plan;
    plan.ledger.push_back(measurement);
    for (const auto& stage : plan.stages) {
        const auto wanted = searches(stage);
        if (wanted.empty() || idOf(wanted.back()) != measurement.id)
            continue;
        if (std::ranges::all_of(wanted, [&](const Request& request) { return findMeasurement(plan, idOf(request)); })) {
            const auto searched = stage; // the list changes
            decide(plan, searched);
        }
        break;
    }
    return plan;
}

// As long as something is measured, every side from the present one on may be chosen later.
std::vector<std::int64_t> ChainStrategy::sides(const Plan& plan) const
{
    auto sides = PlanStrategy::sides(plan);
    const auto isOpen = [&](const Stage& stage) {
        return std::ranges::any_of(searches(stage), [&](const Request& each) { return !findMeasurement(plan, idOf(each)); });
    };
    if (std::ranges::none_of(plan.stages, isOpen))
        return sides;
    for (const auto side : choices())
        if (side > sides.front())
            sides.push_back(side);
    std::ranges::sort(sides);
    return distinct(sides);
}

Stage ChainStrategy::whole() const
{
    Stage stage;
    stage.id = stageId(0);
    stage.shape = shapes::shapeOf(m_config);
    const auto& init = m_config.init;
    stage.weights = {init.from.empty() ? PartSource{} : PartSource{{}, PartSource::From::File, init.from, {}, init.weights}};
    stage.length = lengthOf(m_config.training, m_data.images);
    stage.globalBatch = m_config.training.batchSize;
    stage.devices = m_config.devices;
    return stage;
}

Result<std::vector<Length>> ChainStrategy::lengths(const std::vector<double>& shares) const
{
    const auto total = lengthOf(m_config.training, m_data.images);
    const double sum = std::accumulate(shares.begin(), shares.end(), 0.0);
    const auto batch = m_config.training.batchSize;
    // Images in whole batches; with the published recipe in whole passes over the data.
    const auto unit =
        m_config.recipe.strict && total.images && !total.steps ? std::max(m_data.images / batch, std::int64_t{1}) * batch : batch;
    const auto upTo = [&](std::int64_t whole, std::int64_t step, double share) {
        const double units = std::floor(static_cast<double>(whole) / static_cast<double>(step) * share / sum + 1e-9);
        return std::min(whole, static_cast<std::int64_t>(units) * step);
    };
    std::vector<Length> parts;
    double done = 0.0;
    for (std::size_t k = 0; k < shares.size(); ++k) {
        const double before = done;
        done += shares[k];
        const bool last = k + 1 == shares.size();
        Length part;
        if (total.steps)
            part.steps = (last ? *total.steps : upTo(*total.steps, 1, done)) - upTo(*total.steps, 1, before);
        if (total.images)
            part.images = (last ? *total.images : upTo(*total.images, unit, done)) - upTo(*total.images, unit, before);
        if (total.seconds)
            part.seconds = *total.seconds * shares[k] / sum;
        if (part.steps.value_or(1) < 1 || part.images.value_or(1) < 1)
            return Error{ErrorCode::Usage,
                         fmt::format("Stage {} would have no step: training.{} is too short for the {} stages of the schedule.", k,
                                     part.steps.value_or(1) < 1 ? "steps" : "epochs", shares.size()),
                         "schedule"};
        parts.push_back(part);
    }
    return parts;
}

Result<std::vector<Length>> ChainStrategy::equalLengths(std::int64_t stages) const
{
    return lengths(std::vector<double>(static_cast<std::size_t>(stages), 1.0));
}

StageId stageId(std::int64_t index)
{
    return fmt::format("stage-{:02}", index);
}

StageId searchId(std::int64_t index)
{
    return stageId(index) + "-search";
}

const std::string& idOf(const Request& request)
{
    return std::visit(Overloaded{[](const TrainStage& train) -> const std::string& { return train.stage; },
                                 [](const auto& measure) -> const std::string& { return measure.id; }},
                      request);
}

std::vector<PartSource> carriedOver(const StageId& from)
{
    return {{{}, PartSource::From::Stage, from, {}, "raw"}};
}

namespace {

std::vector<PartSource> grownTransformer(const StageId& from, std::int64_t smaller, std::int64_t larger, const Growth& growth)
{
    using enum config::GrowthOperator;
    const auto old = growth.by == MoGrow && !growth.newOnly ? growth.slowest : std::string("raw");
    std::vector<PartSource> sources;
    for (const char* part : {"embed", "head"})
        sources.push_back({{part}, PartSource::From::Stage, from, {part}, old});
    const auto map = depthMap(smaller, larger);
    for (std::int64_t block = 0; block < larger; ++block) {
        const shapes::PartRange to{"blocks", block, block + 1};
        if (growth.by == Random) {
            sources.push_back(block < smaller ? PartSource{to, PartSource::From::Stage, from, to, "raw"} : PartSource{.to = to});
            continue;
        }
        const auto source = map[static_cast<std::size_t>(block)];
        const bool copy = block > 0 && map[static_cast<std::size_t>(block - 1)] == source;
        sources.push_back(
            {to, PartSource::From::Stage, from, {"blocks", source, source + 1}, growth.by == MoGrow && copy ? growth.slowest : old});
    }
    return sources;
}

// A level keeps what it had: blocks that it gains, and what has other channels now, begin anew.
std::vector<PartSource> grownUNet(const StageId& from, const shapes::ModelShape& smaller, const shapes::ModelShape& larger,
                                  const Growth& growth)
{
    const auto weights = growth.by == config::GrowthOperator::MoGrow && !growth.newOnly ? growth.slowest : std::string("raw");
    const auto before = shapes::partsOf(smaller);
    const auto deepest = [](const shapes::ModelShape& shape) { return std::get<config::UNetConfig>(shape.model).chMultipliers.back(); };
    std::vector<PartSource> sources;
    for (const auto& part : shapes::partsOf(larger)) {
        auto had = std::ranges::find(before, part.name, &shapes::Part::name)->blocks;
        if (part.name == "middle" && deepest(smaller) != deepest(larger)) // it is as wide as the deepest level
            had = 0;
        for (std::int64_t block = 0; block < part.blocks; ++block) {
            const shapes::PartRange range{part.name, block, block + 1};
            sources.push_back(block < had ? PartSource{range, PartSource::From::Stage, from, range, weights} : PartSource{.to = range});
        }
    }
    return sources;
}

} // namespace

std::vector<PartSource> grown(const StageId& from, const shapes::ModelShape& smaller, const shapes::ModelShape& larger,
                              const Growth& growth)
{
    if (std::holds_alternative<config::UNetConfig>(larger.model))
        return grownUNet(from, smaller, larger, growth);
    return grownTransformer(from, depthOf(smaller.model), depthOf(larger.model), growth);
}

std::string slowestAverage(const config::TrainingConfig& training)
{
    const auto& decays = training.ema.decays;
    return decays.empty() ? "raw" : fmt::format("ema:{}", *std::ranges::max_element(decays));
}

std::int64_t depthOf(const config::ModelConfig& model)
{
    return std::visit(Overloaded{[](const config::UNetConfig& unet) {
                                     return unet.levelBlocks.empty() ? unet.numResBlocks : std::ranges::max(unet.levelBlocks);
                                 },
                                 [](const auto& transformer) { return transformer.depth; }},
                      model);
}

config::ModelConfig withDepth(config::ModelConfig model, std::int64_t depth)
{
    std::visit(Overloaded{[&](config::UNetConfig& unet) {
                              if (unet.levelBlocks.empty()) {
                                  unet.numResBlocks = depth;
                              } else if (auto blocks = unet.levelBlocks; std::ranges::max(blocks) > depth) {
                                  for (auto& each : blocks)
                                      each = std::min(each, depth);
                                  unet = config::withLevelBlocks(std::move(unet), std::move(blocks));
                              }
                          },
                          [&](auto& transformer) { transformer.depth = depth; }},
               model);
    return model;
}

config::ModelConfig withDrop(config::ModelConfig model, double drop)
{
    std::visit(Overloaded{[&](config::UNetConfig& unet) { unet.dropRate = drop; }, [&](config::VitConfig& vit) { vit.dropPath = drop; },
                          [](config::DitConfig&) {}},
               model);
    return model;
}

double dropOf(const config::ModelConfig& model)
{
    return std::visit(Overloaded{[](const config::UNetConfig& unet) { return unet.dropRate; },
                                 [](const config::VitConfig& vit) { return vit.dropPath; }, [](const config::DitConfig&) { return 0.0; }},
                      model);
}

std::int64_t sideStep(const config::ModelConfig& model)
{
    return std::visit(Overloaded{[](const config::UNetConfig& unet) {
                                     return unet.blockSize << (std::max<std::size_t>(unet.chMultipliers.size(), 1) - 1);
                                 },
                                 [](const auto& transformer) { return transformer.patchSize; }},
                      model);
}

std::vector<std::int64_t> growingSides(const config::RunConfig& config, double start, std::int64_t multipleInPixels, std::int64_t stages)
{
    const auto pixels = pixelsPerPosition(config), step = sideStep(config.model);
    const auto wanted = std::max<std::int64_t>(1, multipleInPixels / pixels), multiple = std::lcm(wanted, step);
    auto sides = growing(start, config.data.side / pixels, multiple, stages);
    const auto least = (kLeastSide / pixels + multiple - 1) / multiple * multiple;
    for (auto& side : sides)
        side = std::min(std::max(side, least), sides.back());
    return sides;
}

std::vector<std::int64_t> distinct(const std::vector<std::int64_t>& values)
{
    std::vector<std::int64_t> each;
    for (const auto value : values)
        if (std::ranges::find(each, value) == each.end())
            each.push_back(value);
    return each;
}

std::int64_t nextOf(const std::vector<std::int64_t>& values, std::int64_t value)
{
    const auto next = std::ranges::upper_bound(values, value);
    return next == values.end() ? value : *next;
}

} // namespace espalier::plan
