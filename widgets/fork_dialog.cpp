// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/fork_dialog.h"

#include "widgets/page_parts.h"
#include "widgets/stage_words.h"
#include "widgets/theme.h"

#include <QCheckBox>
#include <QGridLayout>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QRegularExpression>
#include <QVBoxLayout>

namespace espalier::widgets {

namespace {

QString freeName(const QString& stem, const QSet<QString>& taken)
{
    QString name = stem;
    for (int i = 2; taken.contains(name); ++i)
        name = QStringLiteral("%1-%2").arg(stem).arg(i);
    return name;
}

} // namespace

ForkDialog::ForkDialog(const QString& runName, int stage, const QSet<QString>& taken, const StageNames& names, QWidget* parent)
    : QDialog(parent), m_runName(runName), m_stage(stage), m_taken(taken)
{
    setObjectName(QStringLiteral("forkDialog"));
    setWindowTitle(tr("Fork %1 after %2").arg(runName, names.inSentence(stage)));
    setAccessibleName(windowTitle());
    setMinimumWidth(480);
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(16, 16, 16, 16);
    column->setSpacing(metric::kCardGap);
    auto* note = dimLabel(tr("A new run begins at the end of %1 with everything up to there: weights, averages, the optimizer, curves "
                             "and samples. Nothing before it is trained again.")
                              .arg(names.inSentence(stage)),
                          this);
    note->setWordWrap(true);
    column->addWidget(note);
    m_name = new QLineEdit(freeName(QStringLiteral("%1-stage-%2").arg(runName).arg(stage + 1), taken), this);
    m_name->setObjectName(QStringLiteral("forkName"));
    m_name->setAccessibleName(tr("Name of the new run"));
    m_name->setMaxLength(80);
    m_start = new QCheckBox(tr("Start it now"), this);
    m_start->setObjectName(QStringLiteral("forkStart"));
    m_start->setChecked(true);
    m_command = dimLabel(QString(), this);
    m_command->setObjectName(QStringLiteral("forkCommand"));
    m_command->setAccessibleName(tr("On the command line"));
    m_command->setWordWrap(true);
    m_command->setTextInteractionFlags(Qt::TextSelectableByMouse | Qt::TextSelectableByKeyboard);
    m_why = errorLabel(this);
    m_why->setObjectName(QStringLiteral("dialogReason"));
    auto* grid = new QGridLayout;
    grid->setHorizontalSpacing(metric::kCardGap);
    grid->setVerticalSpacing(metric::kGap);
    grid->addWidget(dimLabel(tr("Name"), this), 0, 0);
    grid->addWidget(m_name, 0, 1);
    grid->addWidget(m_start, 1, 1);
    auto* asCommand = dimLabel(tr("As command"), this);
    asCommand->setToolTip(tr("The command line counts stages from 0, the window from 1"));
    grid->addWidget(asCommand, 2, 0);
    grid->addWidget(m_command, 2, 1);
    column->addLayout(grid);
    m_accept = pushButton(QStringLiteral("dialogAccept"), tr("Fork"), this, true);
    auto* cancel = pushButton(QStringLiteral("dialogCancel"), tr("Cancel"), this);
    auto* buttons = new QHBoxLayout;
    buttons->setSpacing(metric::kGap);
    buttons->addWidget(m_why, 1);
    buttons->addWidget(cancel);
    buttons->addWidget(m_accept);
    column->addLayout(buttons);
    connect(cancel, &QPushButton::clicked, this, &QDialog::reject);
    connect(m_accept, &QPushButton::clicked, this, &ForkDialog::accept);
    connect(m_name, &QLineEdit::textChanged, this, &ForkDialog::refresh);
    refresh();
    m_name->selectAll();
}

void ForkDialog::refresh()
{
    const QString why = whyNot();
    m_why->setText(why);
    m_command->setText(QStringLiteral("espalier-cli fork %1 %2 --name %3").arg(m_runName, stageOption(m_stage), m_name->text()));
    setEnabledWithReason(m_accept, why);
}

QString ForkDialog::whyNot() const
{
    static const QRegularExpression kName(QStringLiteral("^[A-Za-z0-9_-][A-Za-z0-9._-]*$"));
    if (m_name->text().isEmpty())
        return tr("The run needs a name.");
    if (!kName.match(m_name->text()).hasMatch())
        return tr("A name has letters, digits, '.', '_' and '-'.");
    if (m_taken.contains(m_name->text()))
        return tr("A run of this name exists already.");
    return {};
}

void ForkDialog::accept()
{
    if (whyNot().isEmpty())
        QDialog::accept();
}

ForkDialog::Request ForkDialog::request() const
{
    return {m_name->text(), m_stage, m_start->isChecked()};
}

QStringList ForkDialog::Request::arguments() const
{
    return {QStringLiteral("--at-stage"), QString::number(stage), QStringLiteral("--name"), name};
}

} // namespace espalier::widgets
