// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/start_dialog.h"

#include "widgets/page_parts.h"
#include "widgets/theme.h"

#include <QHBoxLayout>
#include <QPushButton>
#include <QVBoxLayout>

namespace espalier::widgets {

StartDialog::StartDialog(const QString& runName, const QString& verb, const QString& devices, const Json& config, QWidget* parent)
    : QDialog(parent), m_picker(new DevicePicker(this))
{
    setObjectName(QStringLiteral("startDialog"));
    setWindowTitle(tr("%1 %2 on").arg(verb, runName));
    setAccessibleName(windowTitle());
    setMinimumWidth(520);
    m_picker->setConfig(config);
    m_picker->setDevices(devices);
    m_start = pushButton(QStringLiteral("dialogAccept"), tr("%1 now").arg(verb), this, true);
    m_queue = pushButton(QStringLiteral("dialogQueue"), tr("%1 when free").arg(verb), this);
    auto* cancel = pushButton(QStringLiteral("dialogCancel"), tr("Cancel"), this);
    auto* buttons = new QHBoxLayout;
    buttons->setSpacing(metric::kGap);
    buttons->addStretch(1);
    for (auto* button : {cancel, m_queue, m_start})
        buttons->addWidget(button);
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(16, 16, 16, 16);
    column->setSpacing(metric::kCardGap);
    column->addWidget(m_picker, 1);
    column->addLayout(buttons);
    connect(m_picker, &DevicePicker::chosen, this, &StartDialog::refresh);
    connect(cancel, &QPushButton::clicked, this, &QDialog::reject);
    connect(m_start, &QPushButton::clicked, this, &QDialog::accept);
    connect(m_queue, &QPushButton::clicked, this, [this] {
        m_queued = true;
        accept();
    });
    refresh();
}

void StartDialog::setMachine(const MachineView& machine)
{
    m_picker->setMachine(machine);
    refresh();
}

void StartDialog::refresh()
{
    const QString why = m_picker->meaning().problem;
    setEnabledWithReason(m_start, why, tr("At once, beside runs that use the same devices"));
    setEnabledWithReason(m_queue, why, tr("Waits until no run uses them; it waits on when this window is closed"));
}

StartDialog::Request StartDialog::request() const
{
    return {m_picker->devices(), m_queued};
}

} // namespace espalier::widgets
