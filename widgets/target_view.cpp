// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/target_view.h"

#include "core/plan/assembled.h"
#include "core/plan/division.h"
#include "core/plan/forecast.h"
#include "core/shapes/parts.h"
#include "widgets/format.h"
#include "widgets/run_values.h"
#include "widgets/stage_words.h"
#include "widgets/state_look.h"

#include <QObject>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <variant>

namespace espalier::widgets {

namespace {

using plan::PartSource;

QString tr(const char* text)
{
    return QObject::tr(text);
}

/// Where a block of a part stands: what it is called, and how many blocks of its kind stand there.
struct Place {
    QString title;
    std::int64_t blocks = 1;
    bool block = true;
};

Place placeOf(const shapes::ModelShape& shape, const plan::Division& division, const std::string& part, std::int64_t at)
{
    if (part == "blocks")
        return {QObject::tr("block %1").arg(at), 1, true};
    const bool down = part == "downsamples", up = part == "upsamples";
    if ((down || up) && std::holds_alternative<config::UNetConfig>(shape.model)) {
        const auto level = static_cast<std::size_t>(at);
        return {(down ? QObject::tr("level %1, down") : QObject::tr("level %1, up")).arg(at),
                level < division.size() ? std::max<std::int64_t>(1, division[level]) : 1, true};
    }
    return {qstr(part).replace(QLatin1Char('_'), QLatin1Char(' ')), 1, false};
}

/// The blocks of a network cut like this, from its input to its output; `stage`: which of them train.
std::vector<TargetCell> cellsOf(const shapes::ModelShape& shape, const plan::Division& division, const plan::Stage* stage)
{
    std::vector<std::vector<shapes::PartRange>> owned;
    for (std::size_t module = 0; module < division.size(); ++module)
        owned.push_back(plan::partsOfModule(shape.model, division, module));
    std::vector<TargetCell> cells;
    for (const auto& part : shapes::partsOf(shape)) {
        const auto count = part.name == "blocks" ? plan::blocksOf(division) : part.blocks;
        for (std::int64_t i = 0; i < count; ++i) {
            const auto at = part.name == "upsamples" ? count - 1 - i : i; // the way back up
            TargetCell cell;
            for (std::size_t module = 0; module < owned.size(); ++module)
                if (std::ranges::any_of(owned[module], [&](const auto& range) { return shapes::contains(range, part.name, at); }))
                    cell.module = static_cast<int>(module);
            const auto place = placeOf(shape, division, part.name, at);
            cell.block = place.block;
            cell.part = place.title;
            cell.trains = stage == nullptr || stage->trainable.empty() ||
                          std::ranges::any_of(stage->trainable, [&](const auto& range) { return shapes::contains(range, part.name, at); });
            cells.insert(cells.end(), static_cast<std::size_t>(place.blocks), cell);
        }
    }
    return cells;
}

/// The blocks of each module of the whole: as the assembled network is cut, else as the modules that are trained here say it of themselves.
plan::Division divisionOf(const plan::Plan& plan)
{
    auto division = plan.stages.back().division;
    for (const auto& stage : plan.stages)
        if (const auto module = static_cast<std::size_t>(stage.module);
            stage.module >= 0 && module < division.size() && module < stage.division.size() && plan.stages.back().module >= 0)
            division[module] = stage.division[module];
    return division;
}

QString nameOfFile(const std::string& which)
{
    auto path = std::filesystem::path(which);
    if (!path.has_filename())
        path = path.parent_path();
    return qstr(path.filename().string());
}

/// What a module begins with where this run does not train it: the source of its blocks in the network `stage`.
const PartSource* sourceOf(const plan::Stage& stage, std::size_t module)
{
    if (module >= stage.division.size())
        return nullptr;
    for (const auto& range : plan::partsOfModule(stage.shape.model, stage.division, module))
        for (const auto& source : stage.weights)
            if (shapes::contains(source.to, range.part, range.begin))
                return &source;
    return nullptr;
}

void addSource(TargetModule& module, const plan::Plan& plan)
{
    const auto trained = std::ranges::find(plan.stages, module.module, &plan::Stage::module);
    if (trained != plan.stages.end()) {
        module.stage = trained->index;
        module.source = tr("trained here");
        module.hybrid = cellsOf(trained->shape, trained->division, &*trained);
        if (const auto cost = plan::forecast(*trained); cost.steps)
            module.trains = QObject::tr("%1 steps").arg(number(*cost.steps));
        return;
    }
    const auto& last = plan.stages.back();
    const auto* source = sourceOf(last, static_cast<std::size_t>(module.module));
    const bool meta = last.module >= 0 || source == nullptr || source->from != PartSource::From::File;
    module.from = meta ? TargetModule::From::Meta : TargetModule::From::File;
    module.source = meta ? tr("the meta model's") : QObject::tr("from %1").arg(nameOfFile(source->which));
}

void addState(TargetModule& module, const plan::Plan& plan, const TargetState& run)
{
    if (module.from != TargetModule::From::Trained)
        return;
    const auto& stage = *std::ranges::find(plan.stages, module.module, &plan::Stage::module);
    if (plan::endOf(plan, stage.id)) {
        module.state = runs::RunState::Finished;
        module.fraction = 1.0;
        return;
    }
    if (stage.branch.empty()) { // trained alone: the run is this module
        module.state = run.state;
        module.fraction = run.progress != nullptr ? run.progress->fraction : 0.0;
        return;
    }
    if (run.branches == nullptr)
        return;
    const auto status = std::ranges::find(*run.branches, stage.branch, &runs::BranchStatus::name);
    if (status == run.branches->end())
        return;
    module.state = status->state;
    module.fraction = status->fraction;
    module.why = countedFromOne(qstr(status->why));
}

QString metaOf(const plan::Plan& plan)
{
    if (std::ranges::any_of(plan.stages, [](const auto& stage) { return stage.id == plan::kMetaStage; }))
        return tr("trained here");
    for (const auto& stage : plan.stages)
        for (const auto& source : stage.weights)
            if (stage.module >= 0 && source.from == PartSource::From::File)
                return QObject::tr("from %1").arg(nameOfFile(source.which));
    return {};
}

} // namespace

TargetView targetView(const plan::Plan& plan, const TargetState* run)
{
    TargetView view;
    if (plan.stages.empty() || plan.stages.back().division.empty() || plan.stages.back().id == plan::kMetaStage)
        return view;
    const auto& last = plan.stages.back();
    const auto division = divisionOf(plan);
    view.known = run != nullptr;
    view.meta = metaOf(plan);
    view.cells = cellsOf(last.shape, division, nullptr);
    const auto blocks = std::ranges::count_if(view.cells, &TargetCell::block);
    const bool levels = std::holds_alternative<config::UNetConfig>(last.shape.model);
    view.words = levels ? QObject::tr("%1 levels, a module each").arg(division.size())
                        : QObject::tr("%1 blocks in %2 modules").arg(blocks).arg(division.size());
    for (std::size_t k = 0; k < division.size(); ++k) {
        TargetModule module;
        module.module = static_cast<int>(k);
        module.title = moduleTitle(static_cast<std::int64_t>(k), static_cast<int>(division.size()));
        addSource(module, plan);
        if (run != nullptr)
            addState(module, plan, *run);
        view.modules.push_back(std::move(module));
    }
    return view;
}

QString fareOf(const TargetModule& module)
{
    if (module.from != TargetModule::From::Trained)
        return module.source;
    using enum runs::RunState;
    const auto percent = QObject::tr("%1 %").arg(static_cast<int>(std::floor(module.fraction * 100.0)));
    if (module.state == New || module.state == Queued)
        return module.fraction > 0.0 ? QObject::tr("waits at %1").arg(percent) : tr("waits");
    if (module.state == Finished)
        return tr("trained");
    return QStringLiteral("%1 · %2").arg(stateWords(module.state), percent);
}

} // namespace espalier::widgets
