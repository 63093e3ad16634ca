// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/curve_legend.h"

#include "core/runs/metrics.h"
#include "widgets/page_parts.h"
#include "widgets/stage_words.h"
#include "widgets/target_view.h"
#include "widgets/theme.h"

#include <QEvent>
#include <QHBoxLayout>
#include <QPainter>
#include <QToolButton>

#include <algorithm>
#include <map>

namespace espalier::widgets {

namespace {

constexpr int kMark = 12;
constexpr std::size_t kNamed = 6; // so many have room for their names, more for their numbers

/// A piece of the line as the plot draws it.
QIcon lineIcon(const QColor& colour, bool dashed, qreal ratio)
{
    QPixmap pixmap(static_cast<int>(kMark * ratio), static_cast<int>(kMark * ratio));
    pixmap.setDevicePixelRatio(ratio);
    pixmap.fill(Qt::transparent);
    QPainter painter(&pixmap);
    painter.setPen(QPen(colour, 2.4, dashed ? Qt::DotLine : Qt::SolidLine));
    painter.drawLine(QPointF(0, kMark / 2.0), QPointF(kMark, kMark / 2.0));
    return QIcon(pixmap);
}

bool isDashed(int module)
{
    return module >= 7; // colours come again
}

} // namespace

QString curveTitle(const std::string& tag)
{
    namespace tags = runs::tags;
    static const std::map<std::string_view, const char*> kNames{{tags::kLoss, "Loss"},
                                                                {tags::kLearningRate, "Learning rate"},
                                                                {tags::kGradNorm, "Gradient norm"},
                                                                {tags::kLossScale, "Loss scale"},
                                                                {tags::kImagesPerSecond, "Throughput"},
                                                                {tags::kTrainingSeconds, "Training seconds"},
                                                                {tags::kImages, "Images seen"},
                                                                {tags::kFlops, "FLOPs"},
                                                                {tags::kFd, "FD"},
                                                                {tags::kFid, "FID"},
                                                                {tags::kTop1, "Top-1 accuracy"},
                                                                {tags::kTop5, "Top-5 accuracy"},
                                                                {tags::kTestLoss, "Loss on test images"}};
    if (const auto it = kNames.find(tag); it != kNames.end())
        return QString::fromLatin1(it->second);
    return qstr(tag);
}

CurveLegend::CurveLegend(QWidget* parent) : QWidget(parent), m_row(new QHBoxLayout(this))
{
    setObjectName(QStringLiteral("curveLegend"));
    setAccessibleName(tr("Curves"));
    m_row->setContentsMargins(metric::kPlotLeft - metric::kCardPadding, 0, 0, 0);
    m_row->setSpacing(2);
    m_row->addStretch(1);
    hide();
}

CurveLegend::Entry CurveLegend::entryOf(const CurveView& curve)
{
    if (curve.branch.empty())
        return {{}, tr("Whole network"), -1, 0};
    const int module = std::max(0, curve.module);
    return {curve.branch, moduleTitle(module), module, seriesOfModule(module)};
}

void CurveLegend::setCurves(const std::vector<CurveView>& curves)
{
    std::vector<Entry> entries;
    for (const auto& curve : curves)
        if (curve.envelope.rawPoints > 0 || curve.branch.empty())
            entries.push_back(entryOf(curve));
    // A piece without points of a module does not take its name away.
    for (const auto& known : m_entries)
        if (std::ranges::find(entries, known) == entries.end() &&
            std::ranges::any_of(curves, [&](const auto& curve) { return entryOf(curve) == known; }))
            entries.push_back(known);
    std::ranges::sort(entries, {}, &Entry::module);
    if (entries == m_entries)
        return;
    m_entries = std::move(entries);
    rebuild();
}

void CurveLegend::rebuild()
{
    for (auto* button : m_buttons)
        button->deleteLater();
    m_buttons.clear();
    const bool named = m_entries.size() <= kNamed;
    for (const auto& entry : m_entries) {
        auto* button = new QToolButton(this);
        button->setObjectName(QStringLiteral("curve.%1").arg(entry.branch.empty() ? QStringLiteral("run") : qstr(entry.branch)));
        button->setCheckable(true);
        button->setChecked(!m_hidden.contains(entry.branch));
        button->setText(named || entry.branch.empty() ? entry.title : entry.title.section(QLatin1Char(' '), -1));
        button->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
        button->setIconSize({kMark, kMark});
        button->setProperty("small", true);
        button->setFont(typeFont(Type::Small));
        button->setFocusPolicy(Qt::TabFocus);
        button->setAccessibleName(tr("Curve of %1").arg(inSentence(entry.title)));
        button->setToolTip(entry.branch.empty() ? tr("What trains as a whole: the meta model, then the assembled network. Click to hide or "
                                                     "show its curve")
                                                : tr("%1, inside the meta model. Click to hide or show its curve").arg(entry.title));
        connect(button, &QToolButton::toggled, this, [this, branch = entry.branch](bool on) {
            if (on)
                m_hidden.erase(branch);
            else
                m_hidden.insert(branch);
            Q_EMIT changed();
        });
        m_row->insertWidget(static_cast<int>(m_buttons.size()), button);
        m_buttons.push_back(button);
    }
    showIcons();
    setVisible(m_entries.size() > 1);
}

void CurveLegend::showIcons()
{
    const auto& t = tokens(palette());
    for (std::size_t i = 0; i < m_buttons.size(); ++i)
        m_buttons[i]->setIcon(
            lineIcon(t.series[static_cast<std::size_t>(m_entries[i].colour)], isDashed(m_entries[i].module), devicePixelRatioF()));
}

std::vector<PlotView::Curve> CurveLegend::shown(const std::vector<CurveView>& curves) const
{
    std::vector<PlotView::Curve> all;
    const bool several = m_entries.size() > 1;
    for (const auto& curve : curves) {
        const auto entry = entryOf(curve);
        if (several && (m_hidden.contains(entry.branch) || (curve.envelope.rawPoints == 0 && !entry.branch.empty())))
            continue;
        all.push_back({several ? entry.title : curveTitle(curve.tag), curve, entry.colour, isDashed(curve.module)});
    }
    return all;
}

void CurveLegend::changeEvent(QEvent* event)
{
    QWidget::changeEvent(event);
    if (event->type() == QEvent::PaletteChange)
        showIcons();
}

} // namespace espalier::widgets
