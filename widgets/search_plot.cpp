// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/search_plot.h"

#include "widgets/page_parts.h"
#include "widgets/run_values.h"
#include "widgets/theme.h"

#include <QPainter>

#include <algorithm>
#include <cmath>
#include <vector>

namespace espalier::widgets {

namespace {

constexpr qreal kLeft = 56, kTop = 30, kRight = 64, kBottom = 24;

struct Range {
    double low = 0.0, high = 1.0;
    double share(double value) const { return (value - low) / (high - low); }
};

/// With room around the points.
Range rangeOf(const std::vector<double>& values)
{
    const auto [low, high] = std::minmax_element(values.begin(), values.end());
    const double room = std::max(*high - *low, std::abs(*high) * 0.02 + 1e-12) * 0.12;
    return {*low - room, *high + room};
}

} // namespace

SearchPlot::SearchPlot(QWidget* parent) : QWidget(parent)
{
    setObjectName(QStringLiteral("searchPlot"));
    setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Expanding);
    setSearch({});
}

void SearchPlot::setSearch(const SearchView& search)
{
    m_search = search;
    setAccessibleName(search.results.trained ? tr("Cost against mean loss of each candidate") : tr("Cost against votes of each candidate"));
    update();
}

double SearchPlot::yOf(const plan::CandidateScore& candidate) const
{
    return m_search.results.trained ? candidate.loss : candidate.total;
}

void SearchPlot::paintEvent(QPaintEvent*)
{
    QPainter painter(this);
    painter.setRenderHint(QPainter::Antialiasing);
    const Tokens& t = tokens(palette());
    std::vector<const plan::CandidateScore*> shown;
    std::vector<double> xs, ys;
    for (const auto& candidate : m_search.results.candidates) {
        if (!std::isfinite(candidate.seconds) || !std::isfinite(yOf(candidate)))
            continue;
        shown.push_back(&candidate);
        xs.push_back(candidate.seconds);
        ys.push_back(yOf(candidate));
    }
    painter.setFont(typeFont(Type::Small));
    painter.setPen(t.dim);
    if (shown.empty())
        return painter.drawText(rect(), Qt::AlignCenter, tr("Candidates appear here when they are measured.")), void();
    const QRectF area = QRectF(rect()).adjusted(kLeft, kTop, -kRight, -kBottom);
    const Range x = rangeOf(xs), y = rangeOf(ys);
    const QString yTitle = m_search.results.trained ? tr("mean loss") : tr("votes, least is best");
    painter.drawText(QRectF(8, 2, width() - 16, kTop - 4), Qt::AlignLeft | Qt::AlignVCenter, yTitle);
    painter.drawText(QRectF(8, 2, width() - 16, kTop - 4), Qt::AlignRight | Qt::AlignVCenter,
                     m_search.measured ? tr("time of a batch →") : tr("operations of an image →"));
    constexpr int kLines = 3;
    for (int i = 0; i <= kLines; ++i) {
        const qreal share = static_cast<qreal>(i) / kLines;
        const qreal line = std::round(area.bottom() - share * area.height()) + 0.5;
        painter.setPen(t.line);
        painter.drawLine(QPointF(area.left(), line), QPointF(area.right(), line));
        painter.setPen(t.dim);
        drawTabular(painter, QRectF(0, line - 8, kLeft - 8, 16), Qt::AlignRight | Qt::AlignVCenter,
                    metricText(y.low + share * (y.high - y.low)));
        drawTabular(painter, QRectF(area.left() + share * area.width() - 40, area.bottom() + 4, 80, 16),
                    Qt::AlignHCenter | Qt::AlignVCenter, costText(x.low + share * (x.high - x.low), m_search.measured));
    }
    // The chosen one last: it lies on top.
    std::stable_sort(shown.begin(), shown.end(), [](const auto* a, const auto* b) { return a->chosen < b->chosen; });
    for (const auto* candidate : shown) {
        const QPointF at(area.left() + x.share(candidate->seconds) * area.width(),
                         area.bottom() - y.share(yOf(*candidate)) * area.height());
        painter.setPen(QPen(candidate->chosen ? t.accent : t.second, 1.6));
        painter.setBrush(candidate->chosen ? QBrush(t.accent) : QBrush(t.card));
        const qreal radius = candidate->chosen ? 6 : 4;
        painter.drawEllipse(at, radius, radius);
        painter.setFont(typeFont(candidate->chosen ? Type::Strong : Type::Small));
        painter.setPen(candidate->chosen ? t.text : t.dim);
        painter.drawText(at + QPointF(radius + 4, 4), qstr(candidate->name));
    }
}

} // namespace espalier::widgets
