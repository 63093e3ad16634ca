// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/notice.h"

#include "widgets/page_parts.h"
#include "widgets/theme.h"

#include <QHBoxLayout>
#include <QLabel>
#include <QPushButton>
#include <QToolButton>
#include <QVBoxLayout>

#include <algorithm>

namespace espalier::widgets {
namespace {

constexpr std::size_t kMost = 20; // older ones are in the logs

} // namespace

Notice::Notice(QWidget* parent)
    : TroubleCard(parent), m_text(new QLabel(this)), m_detail(new QLabel(this)), m_more(dimLabel(QString(), this)),
      m_details(pushButton(QStringLiteral("noticeDetails"), tr("Details"), this)),
      m_log(pushButton(QStringLiteral("noticeLog"), tr("Open log"), this)),
      m_close(headerButton(QStringLiteral("noticeClose"), QString(), QStringLiteral("close"), this))
{
    setObjectName(QStringLiteral("notice"));
    setAccessibleName(tr("Something went wrong"));
    m_text->setObjectName(QStringLiteral("noticeText"));
    for (auto* label : {m_text, m_detail}) {
        label->setWordWrap(true);
        label->setTextFormat(Qt::PlainText);
        label->setTextInteractionFlags(Qt::TextSelectableByMouse);
    }
    m_detail->setObjectName(QStringLiteral("noticeDetail"));
    m_detail->setFont(typeFont(Type::Small));
    m_detail->setProperty("role", "dim");
    m_details->setCheckable(true);
    m_close->setToolButtonStyle(Qt::ToolButtonIconOnly);
    m_close->setAccessibleName(tr("Put this away"));
    m_close->setToolTip(tr("Put this away (Escape)"));

    auto* words = new QVBoxLayout;
    words->setSpacing(metric::kGrid);
    words->addWidget(m_text);
    words->addWidget(m_detail);
    auto* row = new QHBoxLayout(this);
    row->setContentsMargins(18, metric::kGap, 10, metric::kGap);
    row->setSpacing(metric::kGap);
    row->addLayout(words, 1);
    for (QWidget* one :
         {static_cast<QWidget*>(m_more), static_cast<QWidget*>(m_details), static_cast<QWidget*>(m_log), static_cast<QWidget*>(m_close)})
        row->addWidget(one, 0, Qt::AlignTop);

    connect(m_details, &QPushButton::toggled, m_detail, &QWidget::setVisible);
    connect(m_log, &QPushButton::clicked, this, [this] { Q_EMIT logOpened(m_troubles.back().log); });
    connect(m_close, &QToolButton::clicked, this, &Notice::dismiss);
    refresh();
}

void Notice::show(const Trouble& trouble)
{
    // The same again is no news.
    std::erase_if(m_troubles, [&](const Trouble& one) { return one.text == trouble.text; });
    m_troubles.push_back(trouble);
    if (m_troubles.size() > kMost)
        m_troubles.erase(m_troubles.begin());
    refresh();
}

void Notice::dismiss()
{
    if (!m_troubles.empty())
        m_troubles.pop_back();
    refresh();
}

QString Notice::text() const
{
    return m_troubles.empty() ? QString() : m_troubles.back().text;
}

void Notice::refresh()
{
    setVisible(!m_troubles.empty());
    m_details->setChecked(false);
    m_detail->hide();
    if (m_troubles.empty())
        return;
    const auto& newest = m_troubles.back();
    m_text->setText(newest.text);
    m_detail->setText(newest.detail);
    m_details->setVisible(!newest.detail.isEmpty());
    m_log->setVisible(!newest.log.isEmpty());
    m_log->setToolTip(newest.log);
    m_more->setText(m_troubles.size() > 1 ? tr("%1 more").arg(m_troubles.size() - 1) : QString());
    m_more->setVisible(m_troubles.size() > 1);
    setAccessibleDescription(newest.text);
}

} // namespace espalier::widgets
