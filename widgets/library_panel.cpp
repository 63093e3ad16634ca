// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/library_panel.h"

#include "widgets/card.h"
#include "widgets/library_delegate.h"
#include "widgets/theme.h"

#include <QActionGroup>
#include <QHBoxLayout>
#include <QLabel>
#include <QLineEdit>
#include <QListView>
#include <QMenu>
#include <QPainter>
#include <QStackedLayout>
#include <QToolButton>
#include <QVBoxLayout>

namespace espalier::widgets {

LibraryPanel::LibraryPanel(LibraryModel* model, QWidget* parent)
    : QWidget(parent), m_model(model), m_filter(new LibraryFilter(this)), m_list(new QListView(this)), m_words(new QLineEdit(this)),
      m_sort(new QToolButton(this)), m_count(new QLabel(this))
{
    setObjectName(QStringLiteral("library"));
    setAccessibleName(QStringLiteral("Library"));
    m_filter->setSourceModel(model);
    buildLayout();
    connectSignals();
    countRuns();
}

void LibraryPanel::buildLayout()
{
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(0, 10, 0, 0);
    column->setSpacing(6);

    auto* head = new QHBoxLayout;
    head->setContentsMargins(18, 0, 8, 0);
    head->setSpacing(2);
    auto* title = new QLabel(QStringLiteral("Library"), this);
    title->setFont(typeFont(Type::Heading));
    m_count->setFont(typeFont(Type::Small));
    m_count->setProperty("role", "dim");
    m_count->setObjectName(QStringLiteral("libraryCount"));
    m_sort->setObjectName(QStringLiteral("librarySort"));
    m_sort->setAccessibleName(QStringLiteral("Order of the library"));
    m_sort->setToolTip(QStringLiteral("Order"));
    m_sort->setIcon(themedIcon(QStringLiteral("sort"), palette()));
    m_sort->setProperty("small", true);
    m_sort->setPopupMode(QToolButton::InstantPopup);
    head->addWidget(title);
    head->addStretch(1);
    head->addWidget(m_count);
    head->addWidget(m_sort);
    column->addLayout(head);

    m_words->setObjectName(QStringLiteral("libraryFilter"));
    m_words->setAccessibleName(QStringLiteral("Filter runs"));
    m_words->setPlaceholderText(QStringLiteral("Filter"));
    m_words->setToolTip(QStringLiteral("Words of the name, model, data or state: “unet paused”"));
    m_words->setClearButtonEnabled(true);
    auto* field = new QHBoxLayout;
    field->setContentsMargins(12, 0, 12, 0);
    field->addWidget(m_words);
    column->addLayout(field);

    m_list->setObjectName(QStringLiteral("libraryList"));
    m_list->setAccessibleName(QStringLiteral("Runs"));
    m_list->setModel(m_filter);
    m_list->setItemDelegate(new LibraryDelegate(m_list));
    m_list->setUniformItemSizes(true);
    m_list->setMouseTracking(true);
    m_list->setVerticalScrollMode(QAbstractItemView::ScrollPerPixel);
    m_list->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    m_list->setContextMenuPolicy(Qt::CustomContextMenu);
    m_list->setStyleSheet(QStringLiteral("QListView { background: transparent; }"));

    m_empty = new EmptyNote(QStringLiteral("No runs yet"),
                            QStringLiteral("Every run of this library folder appears here, wherever it was started."), this);
    m_empty->setObjectName(QStringLiteral("libraryEmpty"));
    m_stack = new QStackedLayout;
    m_stack->addWidget(m_list);
    m_stack->addWidget(m_empty);
    column->addLayout(m_stack, 1);
    setMinimumWidth(220);

    auto* menu = new QMenu(m_sort);
    auto* group = new QActionGroup(menu);
    using Order = LibraryFilter::Order;
    for (const auto& [order, text] :
         {std::pair{Order::Recent, "Live and recent first"}, std::pair{Order::Name, "Name"}, std::pair{Order::State, "State"},
          std::pair{Order::Progress, "Progress"}, std::pair{Order::Metric, "Best distance"}}) {
        auto* action = menu->addAction(QLatin1String(text), this, [this, order = order] { m_filter->setOrder(order); });
        action->setCheckable(true);
        action->setData(static_cast<int>(order));
        action->setChecked(order == m_filter->order());
        group->addAction(action);
    }
    menu->addSeparator();
    menu->addAction(themedIcon(QStringLiteral("folder"), palette()), QStringLiteral("Open a folder of runs…"), this,
                    &LibraryPanel::chooseLibraryRequested);
    m_sort->setMenu(menu);
}

void LibraryPanel::connectSignals()
{
    connect(m_words, &QLineEdit::textChanged, this, [this](const QString& text) {
        m_filter->setWords(text);
        countRuns();
    });
    connect(m_list->selectionModel(), &QItemSelectionModel::currentChanged, this, [this](const QModelIndex& current) {
        if (!m_quiet && current.isValid())
            Q_EMIT selectedRun(current.data(LibraryModel::FolderRole).toString());
    });
    connect(m_list, &QListView::customContextMenuRequested, this, &LibraryPanel::showMenu);
    for (const auto signal : {&QAbstractItemModel::rowsInserted, &QAbstractItemModel::rowsRemoved})
        connect(m_model, signal, this, &LibraryPanel::countRuns);
    connect(m_model, &QAbstractItemModel::dataChanged, this, &LibraryPanel::countRuns);
    connect(m_model, &QAbstractItemModel::modelReset, this, &LibraryPanel::countRuns);
}

void LibraryPanel::countRuns()
{
    const auto all = m_model->runs().size();
    const int live = m_model->liveCount();
    QString text = QStringLiteral("%1 run%2").arg(all).arg(all == 1 ? QString() : QStringLiteral("s"));
    if (live > 0)
        text += QStringLiteral("  ·  %1 active").arg(live);
    m_count->setText(text);
    if (all > 0 && m_filter->rowCount() == 0)
        m_empty->setText(QStringLiteral("No run fits"), QStringLiteral("No name, model, data or state holds these words."));
    else
        m_empty->setText(QStringLiteral("No runs yet"),
                         QStringLiteral("Every run of this library folder appears here, wherever it was started."));
    m_stack->setCurrentIndex(m_filter->rowCount() == 0 ? 1 : 0);
}

void LibraryPanel::select(const std::filesystem::path& folder)
{
    const QString wanted = qstr(folder.string());
    for (int row = 0; row < m_filter->rowCount(); ++row) {
        const auto at = m_filter->index(row, 0);
        if (at.data(LibraryModel::FolderRole).toString() != wanted)
            continue;
        m_quiet = true;
        m_list->setCurrentIndex(at);
        m_list->scrollTo(at);
        m_quiet = false;
        return;
    }
}

std::filesystem::path LibraryPanel::selected() const
{
    return m_list->currentIndex().data(LibraryModel::FolderRole).toString().toStdString();
}

void LibraryPanel::setOrder(LibraryFilter::Order order)
{
    m_filter->setOrder(order);
    const auto actions = m_sort->menu()->actions();
    for (auto* action : actions)
        if (action->isCheckable())
            action->setChecked(action->data().toInt() == static_cast<int>(order));
}

void LibraryPanel::focusFilter()
{
    m_words->setFocus(Qt::ShortcutFocusReason);
    m_words->selectAll();
}

void LibraryPanel::focusRuns()
{
    m_list->setFocus(Qt::OtherFocusReason);
}

void LibraryPanel::addSection(QWidget* section)
{
    layout()->addWidget(section);
}

void LibraryPanel::showMenu(const QPoint& at)
{
    const auto index = m_list->indexAt(at);
    if (!index.isValid())
        return;
    const QString folder = index.data(LibraryModel::FolderRole).toString();
    const bool live = runs::isLive(index.data(LibraryModel::SummaryRole).value<const runs::RunSummary*>()->state);
    auto* menu = new QMenu(this);
    menu->setAttribute(Qt::WA_DeleteOnClose);
    menu->setToolTipsVisible(true);
    const auto add = [&](const char* icon, const QString& text, void (LibraryPanel::*signal)(const QString&), bool needsRest) {
        auto* action = menu->addAction(themedIcon(QLatin1String(icon), palette()), text, this, [this, signal, folder] {
            Q_EMIT(this->*signal)(folder);
        });
        if (needsRest && live) {
            action->setEnabled(false);
            action->setToolTip(QStringLiteral("This run is training. Stop it first."));
        }
    };
    add("folder", QStringLiteral("Open folder"), &LibraryPanel::openFolderRequested, false);
    add("copy", QStringLiteral("Duplicate as new run…"), &LibraryPanel::duplicateRequested, false);
    menu->addSeparator();
    add("rename", QStringLiteral("Rename…"), &LibraryPanel::renameRequested, true);
    add("archive", QStringLiteral("Archive…"), &LibraryPanel::archiveRequested, true);
    add("trash", QStringLiteral("Delete to trash…"), &LibraryPanel::trashRequested, true);
    menu->popup(m_list->viewport()->mapToGlobal(at));
}

} // namespace espalier::widgets
