// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/run_header.h"

#include "widgets/format.h"
#include "widgets/run_values.h"
#include "widgets/stage_words.h"
#include "widgets/state_look.h"
#include "widgets/theme.h"

#include <QHBoxLayout>
#include <QLabel>
#include <QPainter>
#include <QPushButton>
#include <QVBoxLayout>

namespace espalier::widgets {
namespace {

QString textAt(const Json& json, std::initializer_list<const char*> path)
{
    const Json* at = &json;
    for (const char* key : path) {
        if (!at->is_object() || !at->contains(key))
            return {};
        at = &(*at)[key];
    }
    if (at->is_string())
        return qstr(at->get<std::string>());
    if (at->is_number())
        return QString::number(at->get<double>(), 'g', 12);
    return {};
}

} // namespace

QStringList configChips(const Json& config, const std::string& devices)
{
    QStringList chips;
    if (!config.is_object())
        return chips;
    if (const QString model = textAt(config, {"model", "kind"}); !model.isEmpty())
        chips << modelName(model);
    if (const QString data = textAt(config, {"data", "source"}); !data.isEmpty()) {
        const QString side = textAt(config, {"data", "side"});
        chips << (side.isEmpty() ? datasetName(data) : QStringLiteral("%1 · %2²").arg(datasetName(data), side));
    }
    if (const QString schedule = textAt(config, {"schedule", "kind"}); !schedule.isEmpty())
        chips << scheduleName(schedule);
    QString where = qstr(devices);
    if (where.isEmpty())
        where = textAt(config, {"devices"});
    if (where == QLatin1String("auto"))
        where.clear(); // a wish; the run says what it became once it has started
    QString precision = textAt(config, {"training", "precision"});
    if (where == QLatin1String("cpu"))
        where = QStringLiteral("CPU");
    else if (where.startsWith(QLatin1String("cpu:")))
        where = QStringLiteral("%1 × CPU").arg(where.mid(4));
    else if (where.startsWith(QLatin1String("cuda:")))
        where = where.mid(5) == QLatin1String("1") ? QStringLiteral("GPU") : QStringLiteral("%1 × GPU").arg(where.mid(5));
    else if (!where.isEmpty() && where.front().isDigit())
        where = QStringLiteral("GPU ") + where;
    QStringList both;
    for (const auto& part : {precision, where})
        if (!part.isEmpty())
            both << part;
    if (!both.isEmpty())
        chips << both.join(QStringLiteral(" · "));
    return chips;
}

RunHeader::RunHeader(QWidget* parent)
    : QWidget(parent), m_title(new QLabel(this)), m_row(new QHBoxLayout), m_state(new Chip({}, Chip::Tone::Plain, this)),
      m_trouble(new TroubleCard(this)), m_cause(new QLabel(m_trouble)), m_resume(new QPushButton(QStringLiteral("Resume"), m_trouble)),
      m_duplicate(new QPushButton(QStringLiteral("Change and start anew"), m_trouble)),
      m_log(new QPushButton(QStringLiteral("Open log"), m_trouble))
{
    setObjectName(QStringLiteral("runHeader"));
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(metric::kGap);
    m_title->setObjectName(QStringLiteral("runTitle"));
    m_title->setFont(typeFont(Type::Title));
    m_title->setTextFormat(Qt::PlainText);
    m_state->setObjectName(QStringLiteral("stateChip"));
    m_row->setSpacing(10);
    m_row->addWidget(m_title);
    m_row->addSpacing(8);
    m_row->addWidget(m_state);
    m_row->addStretch(1);
    column->addLayout(m_row);

    auto* trouble = new QHBoxLayout(m_trouble);
    trouble->setContentsMargins(18, 8, 10, 8);
    m_cause->setObjectName(QStringLiteral("troubleCause"));
    m_cause->setWordWrap(true);
    m_cause->setTextInteractionFlags(Qt::TextSelectableByMouse);
    m_resume->setObjectName(QStringLiteral("troubleResume"));
    m_duplicate->setObjectName(QStringLiteral("troubleDuplicate"));
    m_log->setObjectName(QStringLiteral("troubleLog"));
    trouble->addWidget(m_cause, 1);
    for (auto* button : {m_resume, m_duplicate, m_log}) {
        button->setAccessibleName(button->text());
        trouble->addWidget(button);
    }
    m_trouble->hide();
    column->addWidget(m_trouble);

    connect(m_resume, &QPushButton::clicked, this, &RunHeader::resumeRequested);
    connect(m_duplicate, &QPushButton::clicked, this, &RunHeader::duplicateRequested);
    connect(m_log, &QPushButton::clicked, this, &RunHeader::logOpened);
}

void RunHeader::setChips(const QStringList& texts)
{
    while (m_chips.size() > static_cast<std::size_t>(texts.size())) {
        delete m_chips.back();
        m_chips.pop_back();
    }
    for (qsizetype i = 0; i < texts.size(); ++i) {
        if (static_cast<std::size_t>(i) == m_chips.size()) {
            m_chips.push_back(new Chip({}, Chip::Tone::Plain, this));
            m_row->insertWidget(2 + static_cast<int>(i), m_chips.back());
        }
        m_chips[static_cast<std::size_t>(i)]->setText(texts[i]);
    }
    fitChips();
}

void RunHeader::fitChips()
{
    // What does not fit goes, from the least to the most telling; title and state stay.
    int room = width() - m_title->sizeHint().width() - (m_state->isHidden() ? 0 : m_state->sizeHint().width() + 10) - 30;
    for (auto* chip : m_chips) {
        room -= chip->sizeHint().width() + 10;
        chip->setVisible(room >= 0);
    }
}

void RunHeader::resizeEvent(QResizeEvent* event)
{
    QWidget::resizeEvent(event);
    fitChips();
}

void RunHeader::setRun(const RunView& run)
{
    m_title->setText(qstr(run.name));
    m_title->setAccessibleName(m_title->text());
    m_state->setText(queuedWords(run.state, run.queuePlace));
    m_state->setTone(toneOf(run.state));
    m_state->setToolTip(run.queuePlace > 0 ? run.queueWhy : countedFromOne(qstr(run.why)));
    m_state->show();
    setChips(configChips(run.config, run.devices));
    showTrouble(run);
}

void RunHeader::setNew(const QString& title, const QString& hint)
{
    m_title->setText(title);
    m_title->setAccessibleName(title);
    m_state->hide();
    setChips(hint.isEmpty() ? QStringList{} : QStringList{hint});
    m_trouble->hide();
}

void RunHeader::showTrouble(const RunView& run)
{
    QString cause;
    if (!run.problem.empty())
        cause = qstr(run.problem);
    else if (run.failure && run.state == runs::RunState::Failed) {
        cause = qstr(run.failure->message);
        const auto& saved = run.failure->checkpoint;
        cause += saved.empty() ? QStringLiteral(" Nothing was saved before it.")
                               : QStringLiteral(" Everything up to step %1 is saved.")
                                     .arg(number(std::max<std::int64_t>(0, runs::stepOfName(saved.substr(saved.rfind('/') + 1)))));
    } else if (run.state == runs::RunState::Lost)
        cause = QStringLiteral("Nobody trains this run any more: its supervisor ended without a word. %1")
                    .arg(run.checkpoints->empty()
                             ? QStringLiteral("It has no checkpoint and would begin anew.")
                             : QStringLiteral("Everything up to step %1 is saved.").arg(number(run.checkpoints->back().step)));
    else if (run.state == runs::RunState::Failed)
        cause = run.why.empty() ? QStringLiteral("This run failed. The log says more.") : countedFromOne(qstr(run.why));
    m_cause->setText(cause);
    m_cause->setToolTip(run.failure ? qstr(run.failure->detail) : QString());
    const bool startable = runs::possible(runs::Action::Start, run.state).allowed;
    m_resume->setVisible(startable && run.problem.empty());
    m_resume->setText(run.checkpoints->empty() ? QStringLiteral("Start again")
                                               : QStringLiteral("Resume from step %1").arg(number(run.checkpoints->back().step)));
    m_duplicate->setVisible(run.config.is_object()); // else there is nothing to change
    m_trouble->setVisible(!cause.isEmpty());
}

} // namespace espalier::widgets
