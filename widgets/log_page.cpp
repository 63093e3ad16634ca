// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/log_page.h"

#include "widgets/card.h"
#include "widgets/page_parts.h"
#include "widgets/setting_text.h"
#include "widgets/table_parts.h"
#include "widgets/theme.h"

#include <QClipboard>
#include <QComboBox>
#include <QGuiApplication>
#include <QKeyEvent>
#include <QLabel>
#include <QLineEdit>
#include <QListView>
#include <QPainter>
#include <QPushButton>
#include <QScrollBar>
#include <QSortFilterProxyModel>
#include <QStackedWidget>
#include <QStyledItemDelegate>
#include <QToolButton>
#include <QVBoxLayout>

#include <algorithm>

namespace espalier::widgets {

/// Lines of a level and above in which every word of the search stands.
class LogFilter : public QSortFilterProxyModel {
public:
    using QSortFilterProxyModel::QSortFilterProxyModel;
    void set(int level, const QStringList& words)
    {
        m_level = level;
        m_words = words;
        invalidateFilter();
    }

protected:
    bool filterAcceptsRow(int row, const QModelIndex& parent) const override
    {
        const QModelIndex index = sourceModel()->index(row, 0, parent);
        if (index.data(LogModel::LevelRole).toInt() < m_level)
            return false;
        if (m_words.isEmpty())
            return true;
        const QString text = index.data(LogModel::GroupRole).toString();
        return std::all_of(m_words.begin(), m_words.end(), [&](const QString& word) { return text.contains(word, Qt::CaseInsensitive); });
    }

private:
    int m_level = 0;
    QStringList m_words;
};

namespace {

constexpr int kRowHeight = 24, kTimeWidth = 84, kMarkWidth = 20;

/// Time, a mark for the level (a shape, not only a colour), the text; explanations stand indented on a tinted ground.
class LogDelegate : public QStyledItemDelegate {
public:
    using QStyledItemDelegate::QStyledItemDelegate;
    QSize sizeHint(const QStyleOptionViewItem&, const QModelIndex&) const override { return {200, kRowHeight}; }
    void paint(QPainter* painter, const QStyleOptionViewItem& option, const QModelIndex& index) const override
    {
        const Tokens& t = tokens(option.palette);
        painter->save();
        const auto level = static_cast<LogLevel>(index.data(LogModel::LevelRole).toInt());
        const bool explanation = index.data(LogModel::ExplanationRole).toBool();
        const QColor tone = level == LogLevel::Error ? t.failure : level == LogLevel::Warning ? t.search : t.dim;
        if (option.state & QStyle::State_Selected) {
            painter->fillRect(option.rect, t.selection);
        } else if (level == LogLevel::Error) {
            QColor soft = t.failure;
            soft.setAlphaF(t.scheme == Scheme::Dark ? 0.14f : 0.08f);
            painter->fillRect(option.rect, soft);
        } else if (option.state & QStyle::State_MouseOver) {
            painter->fillRect(option.rect, t.hover);
        }
        QRectF area = QRectF(option.rect).adjusted(16, 0, -12, 0);
        painter->setFont(typeFont(Type::Body));
        if (const double time = index.data(LogModel::TimeRole).toDouble(); time > 0.0 && !explanation) {
            painter->setPen(t.dim);
            drawTabular(*painter, QRectF(area.left(), area.top(), kTimeWidth, area.height()), Qt::AlignLeft | Qt::AlignVCenter,
                        timeOfDayText(time));
        }
        area.setLeft(area.left() + kTimeWidth - 16);
        if (!explanation && level >= LogLevel::Warning)
            drawMark(*painter, QPointF(area.left() + 6, area.center().y()), level == LogLevel::Error, tone);
        area.setLeft(area.left() + kMarkWidth);
        painter->setPen(explanation ? t.text : level == LogLevel::Error ? t.failure : level == LogLevel::Debug ? t.dim : t.text);
        if (explanation)
            painter->setFont(typeFont(Type::Small));
        const QString text = (explanation ? QStringLiteral("→ ") : QString()) + index.data().toString();
        painter->drawText(area, Qt::AlignLeft | Qt::AlignVCenter,
                          QFontMetricsF(painter->font()).elidedText(text, Qt::ElideRight, area.width()));
        painter->restore();
    }

private:
    /// A cross for errors, a triangle for warnings.
    static void drawMark(QPainter& painter, QPointF centre, bool error, const QColor& colour)
    {
        painter.setRenderHint(QPainter::Antialiasing);
        painter.setPen(QPen(colour, 1.6, Qt::SolidLine, Qt::RoundCap, Qt::RoundJoin));
        painter.setBrush(Qt::NoBrush);
        if (error) {
            painter.drawLine(centre - QPointF(4, 4), centre + QPointF(4, 4));
            painter.drawLine(centre - QPointF(4, -4), centre + QPointF(4, -4));
        } else {
            painter.drawPolygon(QPolygonF{centre + QPointF(0, -5), centre + QPointF(5.5, 4.5), centre + QPointF(-5.5, 4.5)});
        }
    }
};

} // namespace

LogPage::LogPage(QWidget* parent) : QWidget(parent), m_model(new LogModel(LogModel::kDefaultLimit, this)), m_filter(new LogFilter(this))
{
    setObjectName(QStringLiteral("logPage"));
    setAccessibleName(tr("Log"));
    m_filter->setSourceModel(m_model);
    buildLayout();
    connectSignals();
    refresh();
}

void LogPage::buildLayout()
{
    auto* card = new Card(tr("Log"), this);
    card->layout()->setContentsMargins(1, 10, 1, 6); // rows reach from hairline to hairline
    card->header()->setContentsMargins(12, 0, 12, 0);
    m_count = dimLabel(QString(), card);
    m_count->setObjectName(QStringLiteral("logCount"));
    m_search = searchField(QStringLiteral("logSearch"), tr("Search the log"), card);
    m_search->setMinimumWidth(220);
    m_level = new QComboBox(card);
    m_level->setObjectName(QStringLiteral("logLevel"));
    m_level->setAccessibleName(tr("Lowest level shown"));
    m_level->addItem(tr("Everything"), static_cast<int>(LogLevel::Debug));
    m_level->addItem(tr("Information"), static_cast<int>(LogLevel::Info));
    m_level->addItem(tr("Warnings"), static_cast<int>(LogLevel::Warning));
    m_level->addItem(tr("Errors"), static_cast<int>(LogLevel::Error));
    m_level->setCurrentIndex(1);
    m_copy = headerButton(QStringLiteral("copyLog"), tr("Copy"), QStringLiteral("copy"), card);
    m_copy->setToolTip(tr("The chosen lines, or all that are shown (Ctrl+C)"));
    m_open = headerButton(QStringLiteral("openLogFile"), tr("Open file"), QStringLiteral("folder"), card);
    m_open->setToolTip(tr("Open log.txt of the run"));
    for (QWidget* widget : std::initializer_list<QWidget*>{m_count, m_search, m_level, m_copy, m_open})
        card->header()->addWidget(widget);

    m_list = new QListView(card);
    m_list->setObjectName(QStringLiteral("logLines"));
    m_list->setAccessibleName(tr("Lines of the log"));
    m_list->setModel(m_filter);
    m_list->setItemDelegate(new LogDelegate(m_list));
    m_list->setUniformItemSizes(true);
    m_list->setFrameShape(QFrame::NoFrame);
    m_list->setSelectionMode(QAbstractItemView::ExtendedSelection);
    m_list->setEditTriggers(QAbstractItemView::NoEditTriggers);
    m_list->setVerticalScrollMode(QAbstractItemView::ScrollPerPixel);
    m_list->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    m_list->setMouseTracking(true);
    m_follow = pushButton(QStringLiteral("followLog"), tr("Follow the end"), m_list, true);
    m_follow->hide();
    m_empty = new EmptyNote(QString(), QString(), card);
    m_empty->setObjectName(QStringLiteral("logEmpty"));
    m_stack = new QStackedWidget(card);
    m_stack->addWidget(m_list);
    m_stack->addWidget(m_empty);
    card->body()->addWidget(m_stack, 1);
    auto* whole = new QVBoxLayout(this);
    whole->setContentsMargins(0, 0, 0, 0);
    whole->addWidget(card);
}

void LogPage::connectSignals()
{
    connect(m_search, &QLineEdit::textChanged, this, &LogPage::applyFilter);
    connect(m_level, &QComboBox::currentIndexChanged, this, &LogPage::applyFilter);
    connect(m_open, &QToolButton::clicked, this, &LogPage::openLogFileRequested);
    const auto copy = [this] { QGuiApplication::clipboard()->setText(text()); };
    connect(m_copy, &QToolButton::clicked, this, copy);
    onCopyKey(m_list, copy);
    connect(m_follow, &QPushButton::clicked, this, &LogPage::follow);
    // Only a person moves the bar away from its end; new lines move the end away from the bar.
    for (QObject* source : std::initializer_list<QObject*>{m_list, m_list->viewport(), m_list->verticalScrollBar()})
        source->installEventFilter(this);
    connect(m_list->verticalScrollBar(), &QScrollBar::rangeChanged, this, [this] {
        if (m_following)
            m_list->scrollToBottom();
    });
    applyFilter();
}

bool LogPage::eventFilter(QObject* watched, QEvent* event)
{
    switch (event->type()) {
    case QEvent::KeyPress:
        // The view stays where it is when the line with the focus is the first already, though out of sight.
        if (watched == m_list && static_cast<QKeyEvent*>(event)->key() == Qt::Key_Home)
            m_list->scrollToTop();
        else if (watched == m_list && static_cast<QKeyEvent*>(event)->key() == Qt::Key_End)
            m_list->scrollToBottom();
        [[fallthrough]];
    case QEvent::Wheel:
    case QEvent::MouseButtonPress:
    case QEvent::MouseMove:
    case QEvent::MouseButtonRelease:
        // Look when the view has dealt with it.
        QMetaObject::invokeMethod(this, &LogPage::noteScrolled, Qt::QueuedConnection);
        break;
    default:
        break;
    }
    return QWidget::eventFilter(watched, event);
}

void LogPage::noteScrolled()
{
    const QScrollBar* bar = m_list->verticalScrollBar();
    const bool atEnd = bar->value() >= bar->maximum() - kRowHeight / 2;
    if (std::exchange(m_following, atEnd) != atEnd)
        refresh();
}

void LogPage::append(const std::vector<LogLine>& lines)
{
    m_model->append(lines);
    refresh();
    if (m_following)
        m_list->scrollToBottom();
}

void LogPage::clear()
{
    m_model->clear();
    m_following = true;
    refresh();
}

void LogPage::follow()
{
    m_following = true;
    m_list->scrollToBottom();
    refresh();
}

void LogPage::applyFilter()
{
    m_filter->set(m_level->currentData().toInt(), m_search->text().split(QLatin1Char(' '), Qt::SkipEmptyParts));
    refresh();
    if (m_following)
        m_list->scrollToBottom();
}

void LogPage::refresh()
{
    const int shown = m_filter->rowCount(), all = m_model->rowCount();
    m_stack->setCurrentIndex(shown > 0 ? 0 : 1);
    if (all == 0)
        m_empty->setText(tr("Nothing logged yet"), tr("What the run says about its start, its checkpoints and its troubles appears here."));
    else
        m_empty->setText(tr("No line matches"), tr("Use fewer words, or show a lower level."));
    m_count->setText(shown == all ? tr("%1 lines").arg(groupedText(all)) : tr("%1 of %2 lines").arg(groupedText(shown), groupedText(all)));
    m_count->setToolTip(m_model->dropped() > 0 ? tr("%1 older lines are in log.txt only").arg(groupedText(m_model->dropped())) : QString());
    m_follow->setVisible(!m_following && shown > 0);
    m_follow->adjustSize();
    m_follow->move(m_list->viewport()->width() - m_follow->width() - 16, m_list->viewport()->height() - m_follow->height() - 12);
}

QString LogPage::text() const
{
    QList<int> rows;
    for (const QModelIndex& index : m_list->selectionModel()->selectedIndexes())
        rows << index.row();
    if (rows.isEmpty())
        for (int row = 0; row < m_filter->rowCount(); ++row)
            rows << row;
    std::sort(rows.begin(), rows.end());
    static const char* const kLevels[] = {"debug", "info", "warning", "error"};
    QString text;
    for (const int row : rows) {
        const QModelIndex index = m_filter->index(row, 0);
        if (index.data(LogModel::ExplanationRole).toBool()) {
            text += QStringLiteral("    → ") + index.data().toString() + QLatin1Char('\n');
            continue;
        }
        if (const double time = index.data(LogModel::TimeRole).toDouble(); time > 0.0)
            text += timeOfDayText(time) + QLatin1Char(' ');
        text += QLatin1String(kLevels[index.data(LogModel::LevelRole).toInt()]) + QLatin1Char(' ') + index.data().toString() +
                QLatin1Char('\n');
    }
    return text;
}

} // namespace espalier::widgets
