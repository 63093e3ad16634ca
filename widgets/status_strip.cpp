// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/status_strip.h"

#include "widgets/card.h"
#include "widgets/device_words.h"
#include "widgets/format.h"
#include "widgets/state_look.h"
#include "widgets/theme.h"

#include <QHBoxLayout>
#include <QTimer>

#include <cmath>

namespace espalier::widgets {

QString progressLine(const RunView& run, double now)
{
    if (!run.valid())
        return {};
    const auto& p = run.progress;
    QStringList parts;
    parts << (p.ofSteps > 0 ? QStringLiteral("step %1 / %2").arg(number(p.step), number(p.ofSteps))
                            : QStringLiteral("step %1").arg(number(p.step)));
    if (p.ofSteps == 0 && p.ofSeconds > 0)
        parts << QStringLiteral("%1 of %2").arg(duration(p.seconds), duration(p.ofSeconds));
    if (runs::isLive(run.state) && p.imagesPerSecond > 0)
        parts << QStringLiteral("%1 img/s")
                     .arg(p.imagesPerSecond >= 100 ? number(std::llround(p.imagesPerSecond)) : value(p.imagesPerSecond, 3));
    if (run.state == runs::RunState::Training && p.etaSeconds)
        parts << QStringLiteral("ETA ") + duration(*p.etaSeconds);
    else if (run.state != runs::RunState::Training)
        parts << queuedWords(run.state, run.queuePlace).toLower();
    if (!run.checkpoints->empty())
        parts << (run.checkpoints->back().time > 0 ? QStringLiteral("saved ") + ago(now - run.checkpoints->back().time)
                                                   : QStringLiteral("saved at step ") + number(run.checkpoints->back().step));
    else if (runs::isLive(run.state))
        parts << QStringLiteral("nothing saved yet");
    return parts.join(QStringLiteral("   ·   "));
}

StatusStrip::StatusStrip(QWidget* parent)
    : QWidget(parent), m_left(new NumberLabel({}, this)), m_right(new NumberLabel({}, this)), m_clock(new QTimer(this)),
      m_message(new QTimer(this))
{
    setObjectName(QStringLiteral("statusStrip"));
    setFont(typeFont(Type::Small));
    m_left->setFont(font());
    m_right->setFont(font());
    m_left->setObjectName(QStringLiteral("statusRun"));
    m_right->setObjectName(QStringLiteral("statusMachine"));
    auto* row = new QHBoxLayout(this);
    row->setContentsMargins(11, 0, 10, 0);
    m_left->setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Preferred);
    row->addWidget(m_left, 1);
    row->addWidget(m_right);
    m_clock->setInterval(15000);
    m_message->setSingleShot(true);
    m_message->setInterval(6000);
    connect(m_clock, &QTimer::timeout, this, &StatusStrip::refresh);
    connect(m_message, &QTimer::timeout, this, [this] {
        m_text.clear();
        refresh();
    });
}

void StatusStrip::setRun(const RunView& run)
{
    m_run = run;
    if (runs::isLive(run.state) && !run.checkpoints->empty())
        m_clock->start();
    else
        m_clock->stop();
    refresh();
    showDevices();
}

void StatusStrip::setMachine(const MachineView& machine)
{
    m_machine = machine;
    showDevices();
}

void StatusStrip::showDevices()
{
    // Those of the run while it uses them; else everything that a run could use.
    const auto devices = runs::isLive(m_run.state) ? m_run.devices : std::string();
    QStringList parts{statusWords(m_machine, devices)};
    if (m_machine.diskFree > 0)
        parts << QStringLiteral("disk %1 free").arg(bytes(m_machine.diskFree));
    m_right->setText(parts.join(QStringLiteral("     ")));
    m_right->setToolTip(statusDetail(m_machine, devices));
    m_right->setAccessibleDescription(m_right->toolTip());
}

void StatusStrip::showMessage(const QString& text)
{
    m_text = text;
    m_message->start();
    refresh();
}

void StatusStrip::refresh()
{
    m_left->setText(m_text.isEmpty() ? progressLine(m_run, runs::wallTime()) : m_text);
}

} // namespace espalier::widgets
