// SPDX-License-Identifier: GPL-3.0-or-later
// What the page does with the lanes of its stages: their words, their place over the plots, and the menu of a stage.
#include "app/gui/run_page.h"

#include "widgets/checkpoints_page.h"
#include "widgets/format.h"
#include "widgets/samples_page.h"
#include "widgets/search_page.h"
#include "widgets/stage_lanes.h"
#include "widgets/stage_view.h"
#include "widgets/stage_words.h"
#include "widgets/watch_page.h"

#include <QMenu>

#include <algorithm>

namespace espalier::gui {

using namespace widgets;

void RunPage::fillStageMenu(QMenu& menu, const BlockView& block)
{
    if (block.search) {
        menu.addAction(QStringLiteral("What it found"), this, [this, block] {
            m_search->showSearch(block.index);
            showPage(Search);
        });
        return;
    }
    const auto end = m_view.plan ? plan::endOf(*m_view.plan, block.id) : std::nullopt;
    const std::int64_t step = end ? end->steps : -1;
    const auto& all = *m_view.checkpoints;
    const bool kept = std::any_of(all.begin(), all.end(), [step](const auto& each) { return each.step == step; });
    const QString notYet = QStringLiteral("This stage has not ended yet"), gone = QStringLiteral("The checkpoint of its end is gone");
    const auto add = [&](const QString& title, const QString& whyNot, auto&& work) {
        auto* action = menu.addAction(title, this, work);
        action->setEnabled(whyNot.isEmpty());
        action->setToolTip(whyNot);
    };
    if (block.control) {
        const auto name = inSentence(qstr(block.title));
        add(block.control->starts ? QStringLiteral("Start %1").arg(name) : QStringLiteral("Pause %1").arg(name),
            countedFromOne(qstr(block.control->whyNot)), [this, control = *block.control] { Q_EMIT moduleRequested(control); });
        menu.addSeparator();
    }
    const QString whyNot = step < 0 ? notYet : kept ? QString() : gone;
    const bool several = m_view.plan && m_view.plan->stages.size() > 1;
    add(QStringLiteral("Fork here…"), several ? whyNot : QStringLiteral("A run of one stage has no boundary to fork at"),
        [this, block] { Q_EMIT forkRequested(block.index); });
    if (widgets::drawsImages(m_view.config))
        add(QStringLiteral("Sample with this stage…"),
            runs::isLive(m_view.state) ? QStringLiteral("This run is training: press Sample to draw from it as it is now.") : whyNot,
            [this, step] { Q_EMIT sampleFromRequested(step); });
    add(QStringLiteral("Export this stage…"), whyNot, [this, step] { Q_EMIT exportRequested(step); });
    add(QStringLiteral("Checkpoint of its end"), whyNot, [this, step] {
        m_checkpoints->choose(step);
        showPage(Checkpoints);
    });
    menu.addSeparator();
    add(QStringLiteral("Compare with the next stage"),
        m_samples->hasPair(block.index) ? QString() : QStringLiteral("There are no grids of both"), [this, block] {
            m_samples->comparePair(block.index);
            showPage(Samples);
        });
}

void RunPage::showLanesWords()
{
    const auto& p = m_view.progress;
    std::size_t stages = std::max<std::size_t>(1, m_view.stages->size());
    if (m_view.plan)
        stages = static_cast<std::size_t>(
            std::ranges::count_if(m_view.plan->stages, [](const auto& stage) { return stage.role == plan::Stage::Role::Train; }));
    QString schedule = scheduleName(settingText(m_view.config, "schedule", "kind"));
    if (schedule.isEmpty())
        schedule = QStringLiteral("plain");
    QStringList parts{schedule, QStringLiteral("%1 stage%2").arg(stages).arg(stages == 1 ? QString() : QStringLiteral("s"))};
    if (p.ofSteps > 0)
        parts << number(p.ofSteps) + QStringLiteral(" steps");
    else if (p.ofImages > 0)
        parts << compact(p.ofImages) + QStringLiteral(" images");
    if (p.ofSeconds > 0)
        parts << QStringLiteral("at most ") + duration(p.ofSeconds);

    QString forecast, detail;
    if (p.seconds > 0)
        detail = QStringLiteral("trained %1").arg(duration(p.seconds));
    if (m_view.state == runs::RunState::Finished)
        forecast = QStringLiteral("finished");
    else if (m_view.plan && m_view.plan->stages.size() > 1 && p.seconds > 0 && runs::isLive(m_view.state)) // later stages are slower
        forecast = QStringLiteral("forecast %1").arg(duration(stageSpans(*m_view.plan, p, m_view.branches).back().to.seconds));
    else if (p.etaSeconds && runs::isLive(m_view.state))
        forecast = QStringLiteral("forecast %1").arg(duration(p.seconds + *p.etaSeconds));
    else if (p.fraction > 0)
        forecast = QStringLiteral("%1 % done").arg(qRound(p.fraction * 100));
    if (const auto plain = m_view.plan ? plainSeconds(*m_view.plan, stageSpans(*m_view.plan, p, m_view.branches)) : std::nullopt)
        detail += (detail.isEmpty() ? QString() : QStringLiteral(" · ")) + QStringLiteral("plain %1").arg(duration(*plain));
    else if (p.images > 0)
        detail += (detail.isEmpty() ? QString() : QStringLiteral(" · ")) + QStringLiteral("%1 images").arg(compact(p.images));
    m_lanes->setWords(parts.join(QStringLiteral(" · ")), forecast, detail);
}

void RunPage::alignLanes()
{
    if (!m_watch->isVisible())
        return; // the last alignment holds: the page keeps its shape
    const auto [left, right] = m_watch->plotSpan();
    const int origin = m_lanes->mapToGlobal(QPoint(0, 0)).x();
    if (right > left)
        m_lanes->setSpan(left - origin, right - origin);
}

} // namespace espalier::gui
