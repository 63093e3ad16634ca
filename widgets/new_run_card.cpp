// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/new_run_card.h"

#include "widgets/page_parts.h"
#include "widgets/theme.h"

#include <QFileDialog>
#include <QGridLayout>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QRegularExpression>
#include <QToolButton>
#include <QVBoxLayout>

namespace espalier::widgets {

NewRunCard::NewRunCard(QWidget* parent) : Card(tr("New run"), parent)
{
    m_name = new QLineEdit(this);
    m_name->setObjectName(QStringLiteral("runName"));
    m_name->setAccessibleName(tr("Name of the run"));
    m_name->setMaxLength(80);
    m_folder = new QLineEdit(this);
    m_folder->setObjectName(QStringLiteral("runFolder"));
    m_folder->setAccessibleName(tr("Folder of the run"));
    auto* browse = headerButton(QStringLiteral("chooseRunFolder"), QStringLiteral("…"), QString(), this);
    browse->setAccessibleName(tr("Choose the folder of the run"));
    auto* folderRow = new QHBoxLayout;
    folderRow->setSpacing(metric::kGrid);
    folderRow->addWidget(m_folder, 1);
    folderRow->addWidget(browse);
    auto* fields = new QGridLayout;
    fields->setHorizontalSpacing(metric::kGap);
    fields->setVerticalSpacing(metric::kGrid);
    fields->addWidget(dimLabel(tr("Name"), this), 0, 0);
    fields->addWidget(m_name, 0, 1);
    fields->addWidget(dimLabel(tr("Folder"), this), 1, 0);
    fields->addLayout(folderRow, 1, 1);
    body()->addLayout(fields);

    m_start = pushButton(QStringLiteral("startRun"), tr("Start"), this, true);
    setThemedIcon(m_start, QStringLiteral("start"));
    m_queue = pushButton(QStringLiteral("queueRun"), tr("Start when free"), this);
    m_queue->setAccessibleName(tr("Start when its devices are free"));
    auto* buttons = new QHBoxLayout;
    buttons->setSpacing(metric::kGap);
    buttons->addWidget(m_start);
    buttons->addWidget(m_queue);
    buttons->addStretch(1);
    body()->addLayout(buttons);
    m_why = dimLabel(QString(), this);
    m_why->setObjectName(QStringLiteral("startReason"));
    m_why->setWordWrap(true);
    body()->addWidget(m_why);

    connect(browse, &QToolButton::clicked, this, &NewRunCard::chooseFolder);
    connect(m_start, &QPushButton::clicked, this, [this] { Q_EMIT startRequested(false); });
    connect(m_queue, &QPushButton::clicked, this, [this] { Q_EMIT startRequested(true); });
    connect(m_name, &QLineEdit::textEdited, this, [this] { m_typed = true; });
    connect(m_name, &QLineEdit::textChanged, this, &NewRunCard::changed);
    connect(m_folder, &QLineEdit::textChanged, this, &NewRunCard::changed);
}

void NewRunCard::chooseFolder()
{
    const QString folder = QFileDialog::getExistingDirectory(this, tr("Where the run's folder goes"), m_library);
    if (!folder.isEmpty())
        m_folder->setText(folder + QLatin1Char('/') + name());
}

void NewRunCard::setLibraryFolder(const QString& folder)
{
    m_library = folder;
    Q_EMIT changed();
}

void NewRunCard::setTakenNames(const QSet<QString>& names)
{
    m_taken = names;
    Q_EMIT changed();
}

void NewRunCard::begin(const QString& name, bool typed)
{
    m_typed = typed;
    m_name->setText(name);
    m_folder->clear();
}

void NewRunCard::propose(const QString& name)
{
    if (!m_typed)
        m_name->setText(name);
}

QString NewRunCard::name() const
{
    return m_name->text();
}

QString NewRunCard::folder() const
{
    return m_folder->text();
}

QString NewRunCard::whyNot() const
{
    static const QRegularExpression kName(QStringLiteral("^[A-Za-z0-9_-][A-Za-z0-9._-]*$"));
    if (name().isEmpty())
        return tr("The run needs a name.");
    if (!kName.match(name()).hasMatch())
        return tr("A name has letters, digits, '.', '_' and '-'.");
    if (folder().isEmpty() && m_taken.contains(name()))
        return tr("A run of this name exists already.");
    return {};
}

void NewRunCard::setWhyNotStart(const QString& why)
{
    m_folder->setPlaceholderText(m_library.isEmpty() ? tr("in the library") : m_library + QLatin1Char('/') + name());
    m_folder->setToolTip(m_folder->text().isEmpty() ? m_folder->placeholderText() : m_folder->text());
    setEnabledWithReason(m_start, why, tr("Start this run (Ctrl+Return)"));
    setEnabledWithReason(m_queue, why, tr("Waits in the queue until no run uses its devices; it waits on when this window is closed"));
    m_why->setText(why);
    m_why->setVisible(!why.isEmpty());
}

} // namespace espalier::widgets
