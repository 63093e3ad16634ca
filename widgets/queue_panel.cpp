// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/queue_panel.h"

#include "widgets/device_words.h"
#include "widgets/page_parts.h"
#include "widgets/run_values.h"
#include "widgets/state_look.h"
#include "widgets/theme.h"

#include <QHBoxLayout>
#include <QLabel>
#include <QListView>
#include <QMenu>
#include <QPainter>
#include <QShortcut>
#include <QStyledItemDelegate>
#include <QToolButton>
#include <QVBoxLayout>

namespace espalier::widgets {
namespace {

constexpr int kMostRows = 4; // shown without scrolling: the library stays the larger one

/// "1  ◷ name / waits for GPU 1 / GPU 1 is used by dit-a"
class QueueDelegate : public QStyledItemDelegate {
public:
    using QStyledItemDelegate::QStyledItemDelegate;

    QSize sizeHint(const QStyleOptionViewItem&, const QModelIndex&) const override
    {
        return {200, static_cast<int>(QFontMetricsF(typeFont(Type::Strong)).height() + QFontMetricsF(typeFont(Type::Small)).height()) + 18};
    }

    void paint(QPainter* painter, const QStyleOptionViewItem& option, const QModelIndex& index) const override
    {
        const auto* entry = index.data(QueueModel::EntryRole).value<const QueueEntry*>();
        if (entry == nullptr)
            return;
        const auto& t = tokens(option.palette);
        painter->save();
        painter->setRenderHint(QPainter::Antialiasing);
        const QRectF row = QRectF(option.rect).adjusted(8, 2, -8, -2);
        if (option.state & QStyle::State_Selected)
            drawRounded(*painter, row, t.selection, option.state & QStyle::State_HasFocus ? t.softAccent : QColor());
        else if (option.state & QStyle::State_MouseOver)
            drawRounded(*painter, row, t.hover, QColor());
        const QFont strong = typeFont(Type::Strong), small = typeFont(Type::Small);
        const QFontMetricsF strongMetrics(strong), smallMetrics(small);
        const qreal left = row.left() + 28, right = row.right() - 11, top = row.top() + 5;
        const QString place = QString::number(index.row() + 1);
        painter->setFont(small);
        painter->setPen(t.dim);
        drawTabular(*painter, QRectF(row.left(), top, 22, strongMetrics.height()), Qt::AlignRight | Qt::AlignVCenter, place);

        const QString waitsFor = entry->startsNow ? QStringLiteral("starting") : entry->waitsFor;
        const qreal room = right - left;
        const QString name = strongMetrics.elidedText(qstr(entry->run.filename().string()), Qt::ElideMiddle, room * 0.6);
        const QString what = smallMetrics.elidedText(waitsFor, Qt::ElideRight, room - strongMetrics.horizontalAdvance(name) - 8);
        painter->drawText(QRectF(left, top, room, strongMetrics.height()), Qt::AlignRight | Qt::AlignVCenter, what);
        painter->drawText(QRectF(left, top + strongMetrics.height() + 2, room, smallMetrics.height()), Qt::AlignLeft | Qt::AlignVCenter,
                          smallMetrics.elidedText(entry->why, Qt::ElideRight, room));
        painter->setFont(strong);
        painter->setPen(t.text);
        painter->drawText(QRectF(left, top, room, strongMetrics.height()), Qt::AlignLeft | Qt::AlignVCenter, name);
        painter->restore();
    }
};

QToolButton* tool(const QString& name, const QString& icon, const QString& text, QWidget* parent)
{
    auto* button = new QToolButton(parent);
    button->setObjectName(name);
    button->setAccessibleName(text);
    button->setProperty("small", true);
    button->setIconSize({14, 14});
    button->setFocusPolicy(Qt::TabFocus);
    setThemedIcon(button, icon);
    return button;
}

} // namespace

QueuePanel::QueuePanel(QWidget* parent) : QWidget(parent), m_model(new QueueModel(this))
{
    setObjectName(QStringLiteral("queuePanel"));
    setAccessibleName(tr("Queue"));
    buildLayout();
    connectSignals();
    refresh();
}

void QueuePanel::buildLayout()
{
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(0, 0, 0, 8);
    column->setSpacing(4);
    auto* head = new QHBoxLayout;
    head->setContentsMargins(18, 6, 8, 0);
    head->setSpacing(2);
    auto* title = new QLabel(tr("Queue"), this);
    title->setFont(typeFont(Type::Heading));
    m_count = dimLabel(QString(), this);
    m_count->setObjectName(QStringLiteral("queueCount"));
    m_count->setFont(typeFont(Type::Small));
    head->addWidget(title);
    head->addSpacing(8);
    head->addWidget(m_count);
    head->addStretch(1);
    m_tools = new QWidget(this);
    auto* tools = new QHBoxLayout(m_tools);
    tools->setContentsMargins(0, 0, 0, 0);
    tools->setSpacing(0);
    m_up = tool(QStringLiteral("queueUp"), QStringLiteral("up"), tr("Earlier in the queue"), m_tools);
    m_down = tool(QStringLiteral("queueDown"), QStringLiteral("down"), tr("Later in the queue"), m_tools);
    m_start = tool(QStringLiteral("queueStart"), QStringLiteral("start"), tr("Start now, without waiting"), m_tools);
    m_remove = tool(QStringLiteral("queueRemove"), QStringLiteral("close"), tr("Take out of the queue"), m_tools);
    for (auto* button : {m_up, m_down, m_start, m_remove})
        tools->addWidget(button);
    head->addWidget(m_tools);
    column->addLayout(head);

    m_note = dimLabel(QString(), this);
    m_note->setObjectName(QStringLiteral("queueNote"));
    m_note->setFont(typeFont(Type::Small));
    m_note->setWordWrap(true);
    m_note->setContentsMargins(18, 0, 12, 0);
    column->addWidget(m_note);

    m_list = new QListView(this);
    m_list->setObjectName(QStringLiteral("queueList"));
    m_list->setAccessibleName(tr("Runs that wait for devices"));
    m_list->setModel(m_model);
    m_list->setItemDelegate(new QueueDelegate(m_list));
    m_list->setUniformItemSizes(true);
    m_list->setMouseTracking(true);
    m_list->setVerticalScrollMode(QAbstractItemView::ScrollPerPixel);
    m_list->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    m_list->setContextMenuPolicy(Qt::CustomContextMenu);
    m_list->setDragDropMode(QAbstractItemView::InternalMove);
    m_list->setDragDropOverwriteMode(false);
    m_list->setDropIndicatorShown(true);
    m_list->setStyleSheet(QStringLiteral("QListView { background: transparent; }"));
    column->addWidget(m_list);
}

void QueuePanel::connectSignals()
{
    connect(m_model, &QueueModel::moveRequested, this, &QueuePanel::moveRequested);
    connect(m_list->selectionModel(), &QItemSelectionModel::currentChanged, this, &QueuePanel::refresh);
    connect(m_list, &QListView::clicked, this,
            [this](const QModelIndex& at) { Q_EMIT selectedRun(at.data(QueueModel::FolderRole).toString()); });
    connect(m_list, &QListView::activated, this,
            [this](const QModelIndex& at) { Q_EMIT selectedRun(at.data(QueueModel::FolderRole).toString()); });
    connect(m_list, &QListView::customContextMenuRequested, this, &QueuePanel::showMenu);
    connect(m_up, &QToolButton::clicked, this, [this] { moveBy(-1); });
    connect(m_down, &QToolButton::clicked, this, [this] { moveBy(1); });
    connect(m_start, &QToolButton::clicked, this, [this] {
        if (const auto* entry = current())
            Q_EMIT startRequested(qstr(entry->id));
    });
    connect(m_remove, &QToolButton::clicked, this, [this] {
        if (const auto* entry = current())
            Q_EMIT removeRequested(qstr(entry->id));
    });
    const auto key = [this](const QKeySequence& keys, QToolButton* button) {
        auto* shortcut = new QShortcut(keys, m_list);
        shortcut->setContext(Qt::WidgetShortcut);
        connect(shortcut, &QShortcut::activated, button, &QToolButton::click);
    };
    key(QKeySequence(Qt::ALT | Qt::Key_Up), m_up);
    key(QKeySequence(Qt::ALT | Qt::Key_Down), m_down);
    key(QKeySequence(Qt::Key_Delete), m_remove);
}

const QueueEntry* QueuePanel::current() const
{
    return m_model->entry(m_list->currentIndex().row());
}

void QueuePanel::moveBy(int rows)
{
    const int to = m_list->currentIndex().row() + rows;
    if (const auto* entry = current(); entry != nullptr && to >= 0 && to < m_model->rowCount())
        Q_EMIT moveRequested(qstr(entry->id), to + 1);
}

void QueuePanel::setQueue(const QueueView& queue)
{
    const auto* chosen = current();
    const auto id = chosen != nullptr ? chosen->id : std::string();
    m_problem = queue.problem;
    m_model->setQueue(queue);
    if (const int row = m_model->rowOf(id); row >= 0 && row != m_list->currentIndex().row())
        m_list->setCurrentIndex(m_model->index(row, 0));
    refresh();
}

void QueuePanel::refresh()
{
    const int count = m_model->rowCount();
    m_count->setText(count == 0 ? QString() : tr("%1 waiting").arg(count));
    m_note->setText(!m_problem.isEmpty() ? m_problem
                                         : tr("Nobody waits. “Start when free” puts a run here until no other uses its devices."));
    m_note->setVisible(count == 0 || !m_problem.isEmpty());
    setFlag(m_note, "role", m_problem.isEmpty() ? "dim" : "error");
    m_list->setVisible(count > 0);
    m_tools->setVisible(count > 0);
    if (count > 0)
        m_list->setFixedHeight(m_list->sizeHintForRow(0) * std::min(count, kMostRows) + 4);
    const int row = m_list->currentIndex().row();
    const auto* entry = current();
    const QString none = entry == nullptr ? tr("Choose a run of the queue first.") : QString();
    const QString leaves = entry != nullptr && entry->startsNow ? tr("This run is starting already.") : QString();
    const auto why = [&](const QString& other) { return !none.isEmpty() ? none : !leaves.isEmpty() ? leaves : other; };
    setEnabledWithReason(m_up, why(row == 0 ? tr("This run is the first already.") : QString()), tr("Earlier in the queue (Alt+Up)"));
    setEnabledWithReason(m_down, why(row + 1 == count ? tr("This run is the last already.") : QString()),
                         tr("Later in the queue (Alt+Down)"));
    setEnabledWithReason(m_start, why({}), tr("Start now, without waiting: it shares its devices with the runs that use them"));
    setEnabledWithReason(m_remove, why({}), tr("Take out of the queue (Delete): nothing of the run is lost"));
}

void QueuePanel::paintEvent(QPaintEvent*)
{
    QPainter(this).fillRect(QRect(0, 0, width(), 1), tokens(palette()).line); // between the library and the queue
}

void QueuePanel::showMenu(const QPoint& at)
{
    const auto index = m_list->indexAt(at);
    if (!index.isValid())
        return;
    m_list->setCurrentIndex(index);
    auto* menu = new QMenu(this);
    menu->setAttribute(Qt::WA_DeleteOnClose);
    menu->setToolTipsVisible(true);
    for (auto* button : {m_up, m_down, m_start, m_remove}) {
        auto* action = menu->addAction(button->icon(), button->accessibleName(), button, &QToolButton::click);
        action->setEnabled(button->isEnabled());
        action->setToolTip(button->toolTip());
    }
    menu->popup(m_list->viewport()->mapToGlobal(at));
}

} // namespace espalier::widgets
