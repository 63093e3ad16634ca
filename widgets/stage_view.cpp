// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/stage_view.h"

#include "core/plan/division.h"
#include "core/shapes/parts.h"
#include "widgets/run_values.h"
#include "widgets/stage_words.h"

#include <QObject>
#include <QStringList>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

namespace espalier::widgets {

namespace {

QString tr(const char* text)
{
    return QObject::tr(text);
}

QString counted(std::int64_t count, const char* one, const char* many)
{
    return QStringLiteral("%1 %2").arg(count).arg(QLatin1String(count == 1 ? one : many));
}

bool trains(const plan::Stage& stage, const std::string& part, std::int64_t block)
{
    return stage.trainable.empty() || std::any_of(stage.trainable.begin(), stage.trainable.end(),
                                                  [&](const auto& range) { return shapes::contains(range, part, block); });
}

QString partTitle(const std::string& part)
{
    QString title = qstr(part);
    return title.replace(QLatin1Char('_'), QLatin1Char(' '));
}

/// What trains of one part. Several stretches of blocks become "14 of 28 blocks".
struct Trained {
    QString words; // "blocks 0–5", "head"; empty: nothing of it
    bool whole = false;
    std::int64_t blocks = 0;
};

Trained trainedOf(const plan::Stage& stage, const shapes::Part& part)
{
    std::int64_t first = -1, last = -1, count = 0;
    for (std::int64_t block = 0; block < part.blocks; ++block) {
        if (!trains(stage, part.name, block))
            continue;
        first = first < 0 ? block : first;
        last = block;
        ++count;
    }
    const QString title = partTitle(part.name);
    if (count == 0)
        return {};
    if (count == part.blocks)
        return {title, true, count};
    if (count != last - first + 1)
        return {QStringLiteral("%1 of %2 %3").arg(count).arg(part.blocks).arg(title), false, count};
    return {first == last ? QStringLiteral("%1 %2").arg(title).arg(first) : QStringLiteral("%1 %2–%3").arg(title).arg(first).arg(last),
            false, count};
}

QString trainsText(const plan::Stage& stage)
{
    if (stage.trainable.empty())
        return tr("all parts train");
    QStringList all, partial;
    bool anyFrozen = false, anyPartial = false;
    std::int64_t blocks = 0;
    for (const auto& part : shapes::partsOf(stage.shape)) {
        const Trained trained = trainedOf(stage, part);
        anyFrozen = anyFrozen || trained.words.isEmpty();
        anyPartial = anyPartial || (!trained.whole && !trained.words.isEmpty());
        blocks += trained.blocks;
        if (!trained.words.isEmpty())
            all << trained.words;
        if (!trained.words.isEmpty() && !trained.whole)
            partial << trained.words;
    }
    if (!anyFrozen && !anyPartial)
        return tr("all parts train");
    if (all.isEmpty())
        return tr("nothing trains");
    // Where only blocks are frozen, the parts around them go without saying.
    return (anyFrozen ? all : partial).join(QStringLiteral(", ")) + (blocks == 1 ? tr(" trains") : tr(" train"));
}

/// How deep a network is, in a unit in which stages of one run can be compared.
double depthOf(const shapes::ModelShape& shape)
{
    if (const auto* unet = std::get_if<config::UNetConfig>(&shape.model))
        return static_cast<double>(plan::blocksOf(config::blocksOfLevels(*unet)));
    if (const auto* dit = std::get_if<config::DitConfig>(&shape.model))
        return static_cast<double>(dit->depth);
    return static_cast<double>(std::get<config::VitConfig>(shape.model).depth);
}

QString depthText(const shapes::ModelShape& shape)
{
    if (const auto* unet = std::get_if<config::UNetConfig>(&shape.model)) {
        const auto levels = counted(static_cast<std::int64_t>(unet->chMultipliers.size()), "level", "levels");
        if (unet->levelBlocks.empty())
            return QStringLiteral("%1 × %2").arg(levels).arg(unet->numResBlocks);
        QStringList each;
        for (const auto blocks : unet->levelBlocks)
            each << QString::number(blocks);
        return QStringLiteral("%1 × %2").arg(levels, each.join(QLatin1Char('+')));
    }
    return counted(static_cast<std::int64_t>(depthOf(shape)), "block", "blocks");
}

/// Blocks from the input to the output: those of the transformer, or all of the U-Net.
std::vector<bool> blocksOf(const plan::Stage& stage)
{
    std::vector<bool> blocks;
    const bool unet = std::holds_alternative<config::UNetConfig>(stage.shape.model);
    for (const auto& part : shapes::partsOf(stage.shape))
        if (unet || part.name == "blocks")
            for (std::int64_t block = 0; block < part.blocks; ++block)
                blocks.push_back(trains(stage, part.name, block));
    return blocks;
}

/// The stretches of stages that stand side by side: from which place to before which.
std::vector<std::pair<std::size_t, std::size_t>> sideBySide(const plan::Plan& plan)
{
    std::vector<std::pair<std::size_t, std::size_t>> all;
    const auto& stages = plan.stages;
    for (std::size_t first = 0; first < stages.size();) {
        auto last = first + 1;
        while (!stages[first].branch.empty() && last < stages.size() && !stages[last].branch.empty() &&
               stages[last].after == stages[first].after)
            ++last;
        if (!stages[first].branch.empty())
            all.emplace_back(first, last);
        first = last;
    }
    return all;
}

} // namespace

QString squared(std::int64_t side)
{
    return QString::number(side) + QChar(u'²'); // behind a placeholder it would read as one of its digits
}

std::vector<StageView> stageViews(const plan::Plan& plan, std::int64_t pixels)
{
    double deepest = 0.0;
    std::int64_t largest = 0;
    for (const auto& stage : plan.stages) {
        deepest = std::max(deepest, depthOf(stage.shape));
        largest = std::max(largest, plan::sideOf(stage));
    }
    std::vector<StageView> views;
    for (const auto& stage : plan.stages) {
        StageView view;
        view.id = stage.id;
        view.index = stage.index;
        view.search = stage.role == plan::Stage::Role::Supernet;
        const bool supernet = std::any_of(plan.stages.begin(), plan.stages.end(), [&](const auto& other) {
            return other.role == plan::Stage::Role::Supernet && other.index == stage.index;
        });
        view.searched = !stage.window.empty() && !supernet;
        view.title = view.search ? tr("Search for stage %1").arg(stage.index + 1)
                                 : stageTitle(stage.id, stage.index, static_cast<int>(stage.division.size()));
        view.side = plan::sideOf(stage) * std::max<std::int64_t>(1, pixels);
        view.growth = QStringLiteral("%1 · %2").arg(depthText(stage.shape), squared(view.side));
        view.trains = trainsText(stage);
        view.blocks = blocksOf(stage);
        const auto trained = std::ranges::count(view.blocks, true), blocks = std::ssize(view.blocks);
        // The parts of a U-Net are more than its blocks: only of a transformer both are counted alike.
        const bool unet = std::holds_alternative<config::UNetConfig>(stage.shape.model);
        view.counted = QStringLiteral("%1, %2").arg(depthText(stage.shape), trained == blocks ? tr("all train")
                                                                            : unet            ? view.trains
                                                                            : trained == 1    ? tr("1 trains")
                                                                                              : tr("%1 train").arg(trained));
        view.depth = deepest > 0 ? depthOf(stage.shape) / deepest : 1.0;
        view.sideShare = largest > 0 ? static_cast<double>(plan::sideOf(stage)) / static_cast<double>(largest) : 1.0;
        views.push_back(std::move(view));
    }
    for (const auto& [first, last] : sideBySide(plan))
        for (auto place = first; place < last; ++place) {
            views[place].lane = static_cast<int>(place - first);
            views[place].lanes = static_cast<int>(last - first);
        }
    return views;
}

std::map<std::int64_t, int> stageEnds(const plan::Plan& plan)
{
    std::map<std::int64_t, int> ends;
    if (plan.stages.size() > 1)
        for (const auto& stage : plan.stages)
            if (const auto end = plan::endOf(plan, stage.id); end && stage.role == plan::Stage::Role::Train)
                ends[end->steps] = stage.index;
    return ends;
}

namespace {

StagePoint pointOf(const plan::Progress& progress)
{
    return {static_cast<double>(progress.steps), static_cast<double>(progress.images), progress.seconds, progress.flops};
}

/// When all of these have ended, which began together: steps of the longest, the work of all.
StagePoint joinedOf(const std::vector<StageSpan>& spans, std::size_t first, std::size_t last)
{
    StagePoint joined = spans[first].from;
    for (auto place = first; place < last; ++place) {
        const auto& [from, to] = std::pair(spans[place].from, spans[place].to);
        joined.steps = std::max(joined.steps, to.steps);
        joined.images += to.images - from.images;
        joined.seconds += to.seconds - from.seconds;
        joined.flops += to.flops - from.flops;
    }
    return joined;
}

} // namespace

const runs::Progress* progressOf(const plan::Stage& stage, const runs::Progress& now, const BranchProgress& branches)
{
    if (stage.branch.empty())
        return &now;
    const auto found = branches.find(stage.branch);
    return found == branches.end() ? nullptr : &found->second;
}

std::vector<StageSpan> stageSpans(const plan::Plan& plan, const runs::Progress& run, const BranchProgress& branches)
{
    std::vector<StageSpan> spans(plan.stages.size());
    const auto beside = sideBySide(plan);
    StagePoint at;
    double flopsPerSecond = 0.0; // of the newest stage that tells
    for (std::size_t place = 0; place < spans.size(); ++place) {
        const auto& stage = plan.stages[place];
        StageSpan& span = spans[place];
        const auto group = std::ranges::find_if(beside, [&](const auto& each) { return place >= each.first && place < each.second; });
        span.from = group != beside.end() && place > group->first ? spans[group->first].from : at;
        const auto end = plan::endOf(plan, stage.id);
        const auto begin = plan::beginOf(plan, stage);
        const auto* now = progressOf(stage, run, branches);
        const double before = flopsPerSecond;
        const auto open = plan::forecast(stage);
        if (before > 0.0 && open.flopsPerImage > 0.0)
            span.forecastSeconds = plan::forecast(stage, before / open.flopsPerImage).seconds;
        if (end) {
            span.started = span.ended = true;
            span.to = pointOf(*end);
            span.searchSeconds = std::max(0.0, end->searchSeconds - (begin ? begin->searchSeconds : 0.0));
            if (span.to.seconds > span.from.seconds && span.to.flops > span.from.flops)
                flopsPerSecond = (span.to.flops - span.from.flops) / (span.to.seconds - span.from.seconds);
        } else {
            span.started = begin && now != nullptr && (now->step > begin->steps || (begin->steps == 0 && now->step > 0));
            if (span.started && now->imagesPerSecond > 0.0)
                flopsPerSecond = now->imagesPerSecond * open.flopsPerImage;
            const auto cost = plan::forecast(stage, open.flopsPerImage > 0.0 ? flopsPerSecond / open.flopsPerImage : 0.0);
            span.to = span.from;
            span.to.seconds += cost.seconds.value_or(0.0);
            span.to.steps += static_cast<double>(cost.steps.value_or(0));
            span.to.images += static_cast<double>(cost.images.value_or(0));
            span.to.flops += cost.flops.value_or(0.0);
            if (span.started) { // never behind what is done
                span.to.steps = std::max(span.to.steps, static_cast<double>(now->step));
                span.to.images = std::max(span.to.images, now->images);
                span.to.seconds = std::max(span.to.seconds, now->seconds);
            }
        }
        at = span.joined = span.to;
        if (group != beside.end() && place + 1 == group->second) {
            at = joinedOf(spans, group->first, group->second);
            for (auto other = group->first; other < group->second; ++other)
                spans[other].joined = at;
        }
    }
    return spans;
}

std::optional<double> plainSeconds(const plan::Plan& plan, const std::vector<StageSpan>& spans)
{
    if (plan.stages.size() < 2 || spans.size() != plan.stages.size())
        return std::nullopt;
    const StagePoint& whole = spans.back().to;
    const double flops = whole.images * plan::forecast(plan.stages.back()).flopsPerImage;
    return whole.flops > 0.0 && whole.seconds > 0.0 ? std::optional(whole.seconds * flops / whole.flops) : std::nullopt;
}

} // namespace espalier::widgets
