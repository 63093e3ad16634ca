// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/problem_list.h"

#include "widgets/page_parts.h"
#include "widgets/setting_text.h"
#include "widgets/theme.h"

#include <QLabel>
#include <QPainter>
#include <QPushButton>
#include <QVBoxLayout>

namespace espalier::widgets {

namespace {
constexpr std::size_t kShown = 4;
}

ProblemList::ProblemList(QWidget* parent) : QWidget(parent), m_title(new QLabel(this)), m_lines(new QVBoxLayout)
{
    setObjectName(QStringLiteral("problemList"));
    setAccessibleName(tr("Problems"));
    m_title->setFont(typeFont(Type::Strong));
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(16, 8, 12, 8);
    column->setSpacing(2);
    column->addWidget(m_title);
    column->addLayout(m_lines);
    m_lines->setSpacing(0);
    hide();
}

void ProblemList::setProblems(const std::vector<config::Problem>& problems, const QString& extra)
{
    while (QLayoutItem* item = m_lines->takeAt(0)) {
        item->widget()->hide();
        item->widget()->deleteLater(); // one of them may be the button that was clicked
        delete item;
    }
    const std::size_t count = problems.size() + !extra.isEmpty();
    setVisible(count > 0);
    m_title->setText(count == 1 ? tr("One thing to put right") : tr("%1 things to put right").arg(count));
    if (!extra.isEmpty()) {
        auto* label = new QLabel(extra, this);
        label->setWordWrap(true);
        m_lines->addWidget(label);
    }
    for (std::size_t i = 0; i < std::min(problems.size(), kShown); ++i) {
        const QString path = QString::fromStdString(plainPath(problems[i].path));
        auto* line = new QPushButton(QString::fromStdString(problems[i].message), this);
        line->setObjectName(QStringLiteral("goto.") + path);
        line->setAccessibleName(line->text());
        line->setToolTip(tr("Go to %1").arg(settingTitle(problems[i].path)));
        line->setProperty("link", true);
        line->setCursor(Qt::PointingHandCursor);
        line->setAutoDefault(false);
        line->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Fixed);
        connect(line, &QPushButton::clicked, this, [this, path] { Q_EMIT chosen(path); });
        m_lines->addWidget(line);
    }
    if (problems.size() > kShown)
        m_lines->addWidget(dimLabel(tr("and %1 more, marked below").arg(problems.size() - kShown), this));
}

void ProblemList::paintEvent(QPaintEvent*)
{
    QPainter painter(this);
    const Tokens& t = tokens(palette());
    QColor soft = t.failure;
    soft.setAlphaF(t.scheme == Scheme::Dark ? 0.14f : 0.08f);
    drawRounded(painter, rect(), t.card, QColor());
    drawRounded(painter, rect(), soft, t.failure);
}

} // namespace espalier::widgets
