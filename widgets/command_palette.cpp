// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/command_palette.h"

#include "widgets/theme.h"

#include <QKeyEvent>
#include <QLineEdit>
#include <QListWidget>
#include <QPainter>
#include <QStyledItemDelegate>
#include <QVBoxLayout>

#include <algorithm>

namespace espalier::widgets {
namespace {

enum { KindRole = Qt::UserRole + 1, DetailRole };

class EntryDelegate : public QStyledItemDelegate {
public:
    using QStyledItemDelegate::QStyledItemDelegate;
    QSize sizeHint(const QStyleOptionViewItem&, const QModelIndex&) const override
    {
        return {200, QFontMetrics(typeFont(Type::Body)).height() + 16};
    }
    void paint(QPainter* painter, const QStyleOptionViewItem& option, const QModelIndex& index) const override
    {
        const auto& t = tokens(option.palette);
        const bool enabled = index.flags() & Qt::ItemIsEnabled;
        if (option.state & QStyle::State_Selected)
            drawRounded(*painter, QRectF(option.rect).adjusted(2, 1, -2, -1), t.selection, QColor(), 6);
        const QRectF row = QRectF(option.rect).adjusted(14, 0, -14, 0);
        painter->setFont(typeFont(Type::Small));
        painter->setPen(t.dim);
        const QString right =
            QStringList{index.data(DetailRole).toString(), index.data(KindRole).toString()}.join(QStringLiteral("   ")).trimmed();
        const qreal wide = QFontMetricsF(painter->font()).horizontalAdvance(right);
        painter->drawText(row, Qt::AlignRight | Qt::AlignVCenter, right);
        painter->setFont(typeFont(Type::Body));
        painter->setPen(enabled ? t.text : t.faint);
        painter->drawText(row.adjusted(0, 0, -wide - 12, 0), Qt::AlignLeft | Qt::AlignVCenter,
                          QFontMetricsF(painter->font()).elidedText(index.data().toString(), Qt::ElideRight, row.width() - wide - 12));
    }
};

} // namespace

int fitness(const QString& title, const QString& typed)
{
    if (typed.isEmpty())
        return 1;
    int score = 0;
    for (const auto& word : typed.split(QLatin1Char(' '), Qt::SkipEmptyParts)) {
        const auto at = title.indexOf(word, 0, Qt::CaseInsensitive);
        if (at == 0)
            score += 100;
        else if (at > 0)
            score += title[at - 1].isLetterOrNumber() ? 40 : 80;
        else {
            qsizetype from = 0; // letters in order
            for (const QChar c : word) {
                from = title.indexOf(c, from, Qt::CaseInsensitive) + 1;
                if (from == 0)
                    return 0;
            }
            score += 5;
        }
    }
    return score;
}

CommandPalette::CommandPalette(std::vector<Entry> entries, QWidget* parent)
    : QDialog(parent, Qt::Popup | Qt::FramelessWindowHint), m_entries(std::move(entries)), m_words(new QLineEdit(this)),
      m_list(new QListWidget(this))
{
    setObjectName(QStringLiteral("commandPalette"));
    setAccessibleName(QStringLiteral("Search everything"));
    setAttribute(Qt::WA_TranslucentBackground);
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(10, 10, 10, 10);
    m_words->setObjectName(QStringLiteral("paletteWords"));
    m_words->setAccessibleName(QStringLiteral("Search runs, settings, actions"));
    m_words->setPlaceholderText(QStringLiteral("Search runs, settings, actions and pages"));
    m_words->installEventFilter(this);
    m_list->setObjectName(QStringLiteral("paletteList"));
    m_list->setAccessibleName(QStringLiteral("What was found"));
    m_list->setItemDelegate(new EntryDelegate(m_list));
    m_list->setFocusPolicy(Qt::NoFocus);
    column->addWidget(m_words);
    column->addWidget(m_list, 1);
    resize(560, 420);
    connect(m_words, &QLineEdit::textChanged, this, &CommandPalette::refresh);
    connect(m_list, &QListWidget::itemClicked, this, &CommandPalette::choose);
    refresh();
    m_words->setFocus();
}

void CommandPalette::setText(const QString& text)
{
    m_words->setText(text);
}

void CommandPalette::paintEvent(QPaintEvent*)
{
    QPainter painter(this);
    const auto& t = tokens(palette());
    drawRounded(painter, rect(), t.card, t.line, 10);
}

void CommandPalette::refresh()
{
    std::vector<std::pair<int, std::size_t>> found;
    for (std::size_t i = 0; i < m_entries.size(); ++i)
        if (const int fits = fitness(m_entries[i].title, m_words->text()); fits > 0)
            found.emplace_back(-fits, i);
    std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    constexpr std::size_t kMost = 60;
    found.resize(std::min(found.size(), kMost));
    m_list->clear();
    m_shown.clear();
    for (const auto& [score, i] : found) {
        auto* item = new QListWidgetItem(m_entries[i].title, m_list);
        item->setData(KindRole, m_entries[i].kind);
        item->setData(DetailRole, m_entries[i].detail);
        if (!m_entries[i].enabled)
            item->setFlags(Qt::NoItemFlags);
        m_shown.push_back(i);
    }
    m_list->setCurrentRow(m_shown.empty() ? -1 : 0);
}

void CommandPalette::choose()
{
    const int row = m_list->currentRow();
    if (row < 0 || static_cast<std::size_t>(row) >= m_shown.size())
        return;
    const auto& entry = m_entries[m_shown[static_cast<std::size_t>(row)]];
    if (!entry.enabled)
        return;
    const auto run = entry.run;
    close();
    if (run)
        run();
}

bool CommandPalette::eventFilter(QObject* watched, QEvent* event)
{
    if (watched == m_words && event->type() == QEvent::KeyPress) {
        const int key = static_cast<QKeyEvent*>(event)->key();
        const int page = key == Qt::Key_PageDown ? 8 : key == Qt::Key_PageUp ? -8 : key == Qt::Key_Down ? 1 : key == Qt::Key_Up ? -1 : 0;
        if (page != 0) {
            m_list->setCurrentRow(std::clamp(m_list->currentRow() + page, 0, std::max(0, m_list->count() - 1)));
            return true;
        }
        if (key == Qt::Key_Return || key == Qt::Key_Enter) {
            choose();
            return true;
        }
    }
    return QDialog::eventFilter(watched, event);
}

} // namespace espalier::widgets
