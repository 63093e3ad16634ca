// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/module_picture.h"

#include "widgets/state_look.h"
#include "widgets/stage_words.h"
#include "widgets/theme.h"

#include <QFontMetricsF>
#include <QHelpEvent>
#include <QKeyEvent>
#include <QMouseEvent>
#include <QPainter>
#include <QPainterPath>
#include <QToolTip>

#include <algorithm>
#include <cmath>
#include <utility>

namespace espalier::widgets {

namespace {

constexpr qreal kNames = 76, kStrip = 34, kCaption = 16, kHybrid = 22, kGap = 8, kBetween = 1.5, kSingle = 0.6, kState = 9;

QColor colourOfModule(const Tokens& t, int module)
{
    return module < 0 ? t.dim : t.series[static_cast<std::size_t>(seriesOfModule(module))];
}

QColor pale(QColor colour, const QColor& ground)
{
    constexpr float kShare = 0.28f;
    return QColor::fromRgbF(colour.redF() * kShare + ground.redF() * (1 - kShare),
                            colour.greenF() * kShare + ground.greenF() * (1 - kShare),
                            colour.blueF() * kShare + ground.blueF() * (1 - kShare));
}

/// Ink that can be read on a colour of the series.
QColor inkOn(const QColor& colour)
{
    return colour.lightnessF() > 0.55f ? QColor(0x15, 0x18, 0x1a) : QColor(Qt::white);
}

qreal shareOf(const TargetCell& cell)
{
    return cell.block ? 1.0 : kSingle;
}

} // namespace

ModulePicture::ModulePicture(QWidget* parent) : QWidget(parent)
{
    setObjectName(QStringLiteral("modulePicture"));
    setAccessibleName(tr("Which module is where"));
    setMouseTracking(true);
    setFocusPolicy(Qt::StrongFocus);
    setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
}

void ModulePicture::setTarget(TargetView target)
{
    if (target == m_target)
        return;
    if (target.modules.size() != m_target.modules.size())
        m_pointed = m_selected = -1;
    m_target = std::move(target);
    QStringList words{m_target.words};
    for (const auto& module : m_target.modules)
        words << QStringLiteral("%1: %2").arg(module.title, m_target.known ? fareOf(module) : module.source);
    setAccessibleDescription(words.join(QStringLiteral("; ")));
    updateGeometry();
    update();
}

void ModulePicture::setSelected(int stage)
{
    const auto found = stage < 0 ? m_target.modules.end() : std::ranges::find(m_target.modules, stage, &TargetModule::stage);
    if (std::exchange(m_selected, found == m_target.modules.end() ? -1 : found->module) != m_selected)
        update();
}

int ModulePicture::shown() const
{
    const auto trains = [this](int module) {
        return module >= 0 && module < static_cast<int>(m_target.modules.size()) &&
               !m_target.modules[static_cast<std::size_t>(module)].hybrid.empty();
    };
    for (const int module : {m_pointed, m_selected})
        if (trains(module))
            return module;
    for (const auto& module : m_target.modules)
        if (trains(module.module) && runs::isLive(module.state))
            return module.module;
    for (const auto& module : m_target.modules)
        if (trains(module.module) && module.state != runs::RunState::Finished)
            return module.module;
    for (const auto& module : m_target.modules)
        if (trains(module.module))
            return module.module;
    return -1;
}

QSize ModulePicture::sizeHint() const
{
    return {500, static_cast<int>(kStrip + 2 * kCaption + 4 + (shown() < 0 ? 0 : kGap + kHybrid))};
}

QSize ModulePicture::minimumSizeHint() const
{
    return {240, sizeHint().height()};
}

QRectF ModulePicture::strip() const
{
    return QRectF(kNames, 1, std::max<qreal>(40, width() - kNames - 1), kStrip);
}

QRectF ModulePicture::hybridStrip() const
{
    return QRectF(kNames, kStrip + 2 * kCaption + 4 + kGap, strip().width(), kHybrid);
}

QRectF ModulePicture::cellOf(const std::vector<TargetCell>& cells, std::size_t place, const QRectF& strip) const
{
    qreal all = 0, before = 0;
    for (std::size_t i = 0; i < cells.size(); ++i) {
        before += i < place ? shareOf(cells[i]) : 0;
        all += shareOf(cells[i]);
    }
    return QRectF(strip.left() + before / all * strip.width(), strip.top(), shareOf(cells[place]) / all * strip.width(), strip.height());
}

std::vector<QRectF> ModulePicture::areasOf(int module) const
{
    std::vector<QRectF> areas;
    int before = -2;
    for (std::size_t i = 0; i < m_target.cells.size(); ++i) {
        const int own = m_target.cells[i].module;
        if (own == module) {
            const QRectF cell = cellOf(m_target.cells, i, strip());
            if (before == own)
                areas.back() = areas.back().united(cell);
            else
                areas.push_back(cell);
        }
        before = own;
    }
    return areas;
}

int ModulePicture::moduleAt(const QPointF& position) const
{
    const QRectF all = strip().adjusted(0, 0, 0, 2 * kCaption);
    if (!all.contains(position))
        return -1;
    for (std::size_t i = 0; i < m_target.cells.size(); ++i)
        if (const QRectF cell = cellOf(m_target.cells, i, strip()); position.x() >= cell.left() && position.x() < cell.right())
            return m_target.cells[i].module;
    return -1;
}

void ModulePicture::paintEvent(QPaintEvent*)
{
    QPainter painter(this);
    painter.setRenderHint(QPainter::Antialiasing);
    if (m_target.modules.empty())
        return;
    if (hasFocus()) {
        painter.setPen(QPen(tokens(palette()).accent, 1));
        painter.drawRoundedRect(QRectF(rect()).adjusted(0.5, 0.5, -0.5, -0.5), 4, 4);
    }
    paintTarget(painter);
    paintCaptions(painter);
    paintHybrid(painter);
}

void ModulePicture::paintTarget(QPainter& painter) const
{
    const Tokens& t = tokens(palette());
    painter.setFont(typeFont(Type::Small));
    painter.setPen(t.dim);
    painter.drawText(QRectF(0, strip().top(), kNames - 8, kStrip), Qt::AlignLeft | Qt::AlignVCenter, tr("Target"));
    std::vector<int> drawn(m_target.modules.size()), count(m_target.modules.size());
    for (const auto& cell : m_target.cells)
        if (cell.module >= 0)
            ++count[static_cast<std::size_t>(cell.module)];
    for (std::size_t i = 0; i < m_target.cells.size(); ++i) {
        const TargetCell& cell = m_target.cells[i];
        const QRectF area = cellOf(m_target.cells, i, strip()).adjusted(0, 0, -kBetween, 0);
        const QColor colour = colourOfModule(t, cell.module);
        QPainterPath shape;
        shape.addRoundedRect(area.adjusted(0.5, 0.5, -0.5, -0.5), std::min(3.0, area.width() / 3), 3);
        double filled = 1.0; // of this block: what is trained fills the module from the input on
        const TargetModule* module = cell.module >= 0 ? &m_target.modules[static_cast<std::size_t>(cell.module)] : nullptr;
        const bool meta = module == nullptr || module->from == TargetModule::From::Meta;
        if (module != nullptr && m_target.known && module->from == TargetModule::From::Trained) {
            const auto at = static_cast<std::size_t>(cell.module);
            filled = std::clamp(module->fraction * count[at] - drawn[at]++, 0.0, 1.0);
        }
        painter.save();
        painter.setClipPath(shape, Qt::IntersectClip);
        painter.fillRect(area, meta ? hatch(t.dim, t.card, devicePixelRatioF()) : QBrush(pale(colour, t.card)));
        if (!meta && filled > 0.0)
            painter.fillRect(QRectF(area.left(), area.top(), area.width() * filled, area.height()), colour);
        painter.restore();
        const bool failed = module != nullptr && module->state == runs::RunState::Failed;
        painter.setPen(QPen(failed ? t.failure : meta ? t.dim : colour, failed ? 1.8 : 1.0));
        painter.setBrush(Qt::NoBrush);
        painter.drawPath(shape);
        const QString number = cell.module >= 0 ? QString::number(cell.module + 1) : QString();
        const QFont small = typeFont(Type::Small);
        if (!number.isEmpty() && cell.block && QFontMetricsF(small).horizontalAdvance(number) < area.width() - 3) {
            painter.setFont(small);
            painter.setPen(!meta && filled > 0.5 ? inkOn(colour) : t.text);
            painter.drawText(area, Qt::AlignCenter, number);
        }
    }
    painter.setBrush(Qt::NoBrush);
    for (const int module : {m_selected, m_pointed})
        if (module >= 0)
            for (const QRectF& area : areasOf(module)) {
                painter.setPen(QPen(t.text, 2));
                painter.drawRoundedRect(area.adjusted(0, 0, -kBetween, 0), 3, 3);
            }
}

/// Below the widest stretch of each module: its title with the mark of its state, and how it fares or where it comes from.
void ModulePicture::paintCaptions(QPainter& painter) const
{
    const Tokens& t = tokens(palette());
    QFont strong = typeFont(Type::Small);
    strong.setWeight(QFont::DemiBold);
    const QFont small = typeFont(Type::Small);
    for (const TargetModule& module : m_target.modules) {
        const auto areas = areasOf(module.module);
        if (areas.empty())
            continue;
        const QRectF widest = *std::ranges::max_element(areas, {}, &QRectF::width);
        QRectF line(widest.left() + 1, strip().bottom() + 2, widest.width() - 6, kCaption);
        if (m_target.known && module.from == TargetModule::From::Trained && line.width() > 2 * kState) {
            drawState(painter, QRectF(line.left(), line.center().y() - kState / 2, kState, kState), module.state, t);
            line.setLeft(line.left() + kState + 5);
        }
        const auto write = [&](const QFont& font, const QColor& ink, const QRectF& area, const QStringList& texts) {
            const QFontMetricsF metrics(font);
            painter.setFont(font);
            painter.setPen(ink);
            for (const auto& text : texts)
                if (metrics.horizontalAdvance(text) <= area.width() || (&text == &texts.back() && area.width() > 30))
                    return painter.drawText(area, Qt::AlignLeft | Qt::AlignVCenter, metrics.elidedText(text, Qt::ElideRight, area.width()));
        };
        write(strong, t.text, line, {module.title, moduleTitle(module.module), QString::number(module.module + 1)});
        const QString fare = m_target.known            ? fareOf(module)
                             : module.trains.isEmpty() ? module.source
                                                       : QStringLiteral("%1 · %2").arg(module.source, module.trains);
        write(small, module.state == runs::RunState::Failed ? t.failure : t.dim,
              QRectF(widest.left() + 1, line.bottom(), widest.width() - 6, kCaption), {fare, m_target.known ? fare : module.source});
    }
}

void ModulePicture::paintHybrid(QPainter& painter) const
{
    const int module = shown();
    if (module < 0)
        return;
    const Tokens& t = tokens(palette());
    const auto& cells = m_target.modules[static_cast<std::size_t>(module)].hybrid;
    const QRectF area = hybridStrip();
    painter.setFont(typeFont(Type::Small));
    painter.setPen(t.dim);
    painter.drawText(QRectF(0, area.top(), kNames - 8, area.height()), Qt::AlignLeft | Qt::AlignVCenter,
                     tr("%1 trains in").arg(module + 1));
    for (std::size_t i = 0; i < cells.size(); ++i) {
        const TargetCell& cell = cells[i];
        const QRectF box = cellOf(cells, i, area).adjusted(0.5, 0.5, -kBetween - 0.5, -0.5);
        const QColor colour = cell.trains ? colourOfModule(t, cell.module) : t.dim;
        QPainterPath shape;
        shape.addRoundedRect(box, std::min(3.0, box.width() / 3), 3);
        painter.fillPath(shape, cell.trains ? QBrush(colour) : hatch(t.line, t.card, devicePixelRatioF()));
        painter.setPen(QPen(colour, 1));
        painter.setBrush(Qt::NoBrush);
        painter.drawPath(shape);
        const QString whole = !cell.block ? cell.part : cell.trains ? QString::number(module + 1) : tr("meta, frozen");
        const QString word = QFontMetricsF(painter.font()).horizontalAdvance(whole) < box.width() - 4 ? whole : tr("meta");
        if (QFontMetricsF(painter.font()).horizontalAdvance(word) >= box.width() - 4 || (cell.trains && word != whole))
            continue;
        painter.setPen(cell.trains ? inkOn(colour) : t.text);
        painter.drawText(box, Qt::AlignCenter, word);
    }
}

QString ModulePicture::tipOf(const TargetModule& module) const
{
    QStringList lines{module.title};
    std::int64_t blocks = 0;
    QStringList others;
    for (const auto& cell : m_target.cells) {
        if (cell.module != module.module)
            continue;
        blocks += cell.block ? 1 : 0;
        if (!cell.block)
            others << cell.part;
    }
    QString parts = blocks == 1 ? tr("1 block") : tr("%1 blocks").arg(blocks);
    if (!others.isEmpty())
        parts += tr(" and %1").arg(others.join(QStringLiteral(", ")));
    lines << parts << module.source;
    if (!module.trains.isEmpty())
        lines.last() += QStringLiteral(", ") + module.trains;
    if (m_target.known && module.from == TargetModule::From::Trained)
        lines << (module.why.isEmpty() ? fareOf(module) : fareOf(module) + QStringLiteral(": ") + module.why);
    const auto frozen = std::ranges::count_if(module.hybrid, [](const auto& cell) { return cell.block && !cell.trains; });
    if (!module.hybrid.empty())
        lines << tr("trains inside the meta model (%1), of which %2 stay frozen")
                     .arg(m_target.meta, frozen == 1 ? tr("1 block") : tr("%1 blocks").arg(frozen));
    if (module.stage >= 0)
        lines << tr("Click to find its lane. On the command line: --module %1").arg(module.module);
    return lines.join(QLatin1Char('\n'));
}

bool ModulePicture::event(QEvent* event)
{
    if (event->type() != QEvent::ToolTip)
        return QWidget::event(event);
    auto* help = static_cast<QHelpEvent*>(event);
    const int module = moduleAt(help->pos());
    if (module < 0)
        QToolTip::hideText();
    else
        QToolTip::showText(help->globalPos(), tipOf(m_target.modules[static_cast<std::size_t>(module)]), this);
    return true;
}

void ModulePicture::point(int module)
{
    if (std::exchange(m_pointed, module) == module)
        return;
    update();
    Q_EMIT pointed(module < 0 ? -1 : m_target.modules[static_cast<std::size_t>(module)].stage);
}

void ModulePicture::mouseMoveEvent(QMouseEvent* event)
{
    point(moduleAt(event->position()));
}

void ModulePicture::leaveEvent(QEvent*)
{
    point(-1);
}

void ModulePicture::mousePressEvent(QMouseEvent* event)
{
    const int module = moduleAt(event->position());
    if (event->button() != Qt::LeftButton || module < 0)
        return;
    m_selected = module;
    update();
    if (const int stage = m_target.modules[static_cast<std::size_t>(module)].stage; stage >= 0)
        Q_EMIT chosen(stage);
}

void ModulePicture::keyPressEvent(QKeyEvent* event)
{
    const int last = static_cast<int>(m_target.modules.size()) - 1;
    const bool left = event->key() == Qt::Key_Left, right = event->key() == Qt::Key_Right;
    if (last >= 0 && (left || right)) {
        m_selected = m_selected < 0 ? (left ? last : 0) : std::clamp(m_selected + (left ? -1 : 1), 0, last);
        return update();
    }
    const bool accept = event->key() == Qt::Key_Return || event->key() == Qt::Key_Enter;
    if (accept && m_selected >= 0 && m_target.modules[static_cast<std::size_t>(m_selected)].stage >= 0)
        return Q_EMIT chosen(m_target.modules[static_cast<std::size_t>(m_selected)].stage);
    QWidget::keyPressEvent(event);
}

} // namespace espalier::widgets
