// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/watch_page.h"

#include "core/runs/metrics.h"
#include "widgets/card.h"
#include "widgets/curve_choice.h"
#include "widgets/curve_legend.h"
#include "widgets/expectations.h"
#include "widgets/format.h"
#include "widgets/grid_card.h"
#include "widgets/plot_menu.h"
#include "widgets/plot_view.h"
#include "widgets/rank_legend.h"
#include "widgets/theme.h"
#include "widgets/time_axis.h"
#include "widgets/watch_tiles.h"

#include <QActionGroup>
#include <QHBoxLayout>
#include <QLabel>
#include <QMenu>
#include <QSlider>
#include <QStackedLayout>
#include <QTimer>
#include <QToolButton>
#include <QVBoxLayout>

#include <algorithm>
#include <cmath>

namespace espalier::widgets {
namespace {

QToolButton* headerTool(const QString& name, const QString& text, const QString& tip, QWidget* parent)
{
    auto* button = new QToolButton(parent);
    button->setObjectName(name);
    button->setText(text);
    button->setAccessibleName(tip.isEmpty() ? text : tip);
    button->setToolTip(tip);
    button->setProperty("small", true);
    button->setFont(typeFont(Type::Small));
    button->setFocusPolicy(Qt::TabFocus);
    return button;
}

} // namespace

WatchPage::WatchPage(TimeAxis* axis, QWidget* parent)
    : QWidget(parent), m_axis(axis), m_tag(runs::tags::kLoss), m_askTimer(new QTimer(this)), m_curve(new PlotView(axis, this)),
      m_distance(new PlotView(axis, this))
{
    setObjectName(QStringLiteral("watchPage"));
    setAccessibleName(QStringLiteral("Watch"));
    m_askTimer->setSingleShot(true);
    m_askTimer->setInterval(8);
    buildLayout();
    connectSignals();
    setRun({});
}

void WatchPage::buildLayout()
{
    auto* row = new QHBoxLayout(this);
    row->setContentsMargins(0, metric::kCardGap - 2, 0, 0);
    row->setSpacing(metric::kCardGap - 2);
    auto* left = new QVBoxLayout;
    left->setSpacing(metric::kCardGap - 2);
    left->addWidget(buildCurveCard(), 5);
    left->addWidget(buildDistanceCard(), 7);
    row->addLayout(left, 2);
    row->addWidget(buildSide(), 1);
}

QWidget* WatchPage::buildCurveCard()
{
    auto* card = new Card(QString(), this);
    card->setObjectName(QStringLiteral("curveCard"));
    card->setAccessibleName(QStringLiteral("Curve"));
    auto* head = card->header();

    m_curveTitle = headerTool(QStringLiteral("curveChoice"), QStringLiteral("Loss"), QStringLiteral("Which curve to show"), card);
    m_curveTitle->setFont(typeFont(Type::Strong));
    m_curveTitle->setPopupMode(QToolButton::InstantPopup);
    m_curveTitle->setMenu(new QMenu(m_curveTitle));
    m_curveTitle->setStyleSheet(
        QStringLiteral("QToolButton { color: palette(text); padding: 1px 6px 1px 0; margin-left: -1px; border: none; }"));
    head->insertWidget(0, m_curveTitle);

    m_smoothingText = new QLabel(card);
    m_smoothingText->setFont(typeFont(Type::Small));
    m_smoothingText->setProperty("role", "dim");
    m_smoothing = new QSlider(Qt::Horizontal, card);
    m_smoothing->setObjectName(QStringLiteral("smoothing"));
    m_smoothing->setAccessibleName(QStringLiteral("Smoothing"));
    m_smoothing->setToolTip(QStringLiteral("Smoothing of the line; the band shows least and greatest value"));
    m_smoothing->setRange(0, 995);
    m_smoothing->setFixedWidth(84);
    head->addWidget(m_smoothingText);
    head->addWidget(m_smoothing);

    m_axisButton = headerTool(QStringLiteral("axisChoice"), QString(), QStringLiteral("What the x-axis counts"), card);
    m_axisButton->setPopupMode(QToolButton::InstantPopup);
    auto* axisMenu = new QMenu(m_axisButton);
    auto* group = new QActionGroup(axisMenu);
    for (const auto kind : {XAxis::Step, XAxis::Images, XAxis::TrainingTime, XAxis::WallTime, XAxis::Flops}) {
        auto* action = axisMenu->addAction(xTitle(kind), this, [this, kind] { m_axis->setKind(kind); });
        action->setCheckable(true);
        action->setData(static_cast<int>(kind));
        group->addAction(action);
    }
    m_axisButton->setMenu(axisMenu);
    m_logButton = headerTool(QStringLiteral("logY"), QStringLiteral("log y"), QStringLiteral("Logarithmic y-axis"), card);
    m_logButton->setCheckable(true);
    m_followButton = headerTool(QStringLiteral("follow"), QStringLiteral("Follow"), QString(), card);
    m_followButton->setCheckable(true);
    auto* more = headerTool(QStringLiteral("curveMore"), QString(), QStringLiteral("Copy or save this plot"), card);
    for (auto* button : {m_axisButton, m_logButton, m_followButton, more})
        head->addWidget(button);
    head->setSpacing(4);

    m_curve->setObjectName(QStringLiteral("curvePlot"));
    m_curve->setAccessibleName(QStringLiteral("Curve over the run"));
    auto* menu = new PlotMenu(m_curve, m_axis, more, QStringLiteral("curve"),
                              [this] { return qstr(m_run.name) + QStringLiteral(" · ") + curveChoice(m_tag, m_run.last).title; });
    connect(menu, &PlotMenu::csvChosen, this, [this](const QString& file) {
        QStringList tags;
        for (const auto& tag : curveChoice(m_tag, m_run.last).tags)
            tags << qstr(tag);
        Q_EMIT csvRequested(tags, file);
    });
    connect(menu, &PlotMenu::message, this, &WatchPage::message);
    m_curveEmpty = new EmptyNote(QStringLiteral("No curve yet"), QString(), card);
    m_curveStack = new QStackedLayout;
    m_curveStack->addWidget(m_curveEmpty);
    m_curveStack->addWidget(m_curve);
    m_legend = new CurveLegend(card);
    card->body()->addWidget(m_legend);
    m_ranks = new RankLegend(card);
    card->body()->addWidget(m_ranks);
    card->body()->addLayout(m_curveStack, 1);
    card->layout()->setContentsMargins(metric::kCardPadding, 6, metric::kCardPadding, 4);
    card->layout()->setSpacing(0);
    return card;
}

QWidget* WatchPage::buildDistanceCard()
{
    m_distanceCard = new Card(QStringLiteral("Distance"), this);
    m_distanceCard->setObjectName(QStringLiteral("distanceCard"));
    auto* head = m_distanceCard->header();
    m_recipe = new QLabel(m_distanceCard);
    m_recipe->setObjectName(QStringLiteral("distanceRecipe"));
    m_recipe->setFont(typeFont(Type::Small));
    m_recipe->setTextFormat(Qt::RichText);
    m_recipe->setProperty("role", "dim");
    m_logDistance =
        headerTool(QStringLiteral("logDistance"), QStringLiteral("log y"), QStringLiteral("Logarithmic y-axis"), m_distanceCard);
    m_logDistance->setCheckable(true);
    auto* more = headerTool(QStringLiteral("distanceMore"), QString(), QStringLiteral("Copy or save this plot"), m_distanceCard);
    head->addWidget(m_recipe);
    head->addWidget(m_logDistance);
    head->addWidget(more);
    head->setSpacing(4);

    m_distance->setObjectName(QStringLiteral("distancePlot"));
    m_distance->setAccessibleName(QStringLiteral("Distance to the data over the run"));
    auto* menu = new PlotMenu(m_distance, m_axis, more, QStringLiteral("distance"),
                              [this] { return qstr(m_run.name) + QStringLiteral(" · ") + m_distanceCard->accessibleName(); });
    connect(menu, &PlotMenu::csvChosen, this, [this](const QString& file) { Q_EMIT csvRequested({QStringLiteral("evaluations")}, file); });
    connect(menu, &PlotMenu::message, this, &WatchPage::message);
    m_distanceEmpty = new EmptyNote(QString(), QString(), m_distanceCard);
    m_distanceStack = new QStackedLayout;
    m_distanceStack->addWidget(m_distanceEmpty);
    m_distanceStack->addWidget(m_distance);
    m_distanceCard->body()->addLayout(m_distanceStack, 1);
    m_distanceCard->layout()->setContentsMargins(metric::kCardPadding, 6, metric::kCardPadding, 4);
    m_distanceCard->layout()->setSpacing(0);
    return m_distanceCard;
}

QWidget* WatchPage::buildSide()
{
    auto* side = new QWidget(this);
    auto* column = new QVBoxLayout(side);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(metric::kCardGap - 2);
    m_tiles = new WatchTiles(side);
    column->addWidget(m_tiles);
    m_grid = new GridCard(side);
    column->addWidget(m_grid, 1);
    side->setMinimumWidth(270);
    return side;
}

void WatchPage::connectSignals()
{
    connect(m_axis, &TimeAxis::rangeChanged, this, &WatchPage::ask);
    connect(m_axis, &TimeAxis::kindChanged, this, [this] {
        m_axisButton->setText(xTitle(m_axis->kind()) + QStringLiteral(" ▾"));
        ask();
    });
    connect(m_axis, &TimeAxis::modeChanged, this, &WatchPage::showFollow);
    connect(m_askTimer, &QTimer::timeout, this, [this] {
        if (std::exchange(m_askAgain, false))
            ask();
    });
    connect(m_smoothing, &QSlider::valueChanged, this, [this](int v) {
        m_smoothingText->setText(v == 0 ? QStringLiteral("not smoothed")
                                        : QStringLiteral("smoothed %1").arg(v / 1000.0, 0, 'f', v > 990 ? 3 : 2));
        m_curve->setSmoothing(v / 1000.0);
    });
    connect(m_logButton, &QToolButton::toggled, m_curve, &PlotView::setLogarithmic);
    connect(m_logDistance, &QToolButton::toggled, m_distance, &PlotView::setLogarithmic);
    connect(m_followButton, &QToolButton::clicked, this, [this] {
        if (m_axis->mode() == TimeAxis::Mode::Fixed)
            m_axis->follow();
        else
            m_axis->showAll();
        showFollow();
    });
    connect(m_legend, &CurveLegend::changed, this, [this] { m_curve->setCurves(m_legend->shown(m_curves)); });
    connect(m_curveTitle->menu(), &QMenu::aboutToShow, this, &WatchPage::fillCurveMenu);
    connect(m_curve, &PlotView::spanChanged, this, &WatchPage::plotSpanChanged);
    connect(m_curve, &PlotView::spanChanged, this, &WatchPage::ask);
    connect(m_grid, &GridCard::opened, this, &WatchPage::samplesOpened);
    connect(m_grid, &GridCard::sampleRequested, this, &WatchPage::sampleRequested);
    connect(m_distanceEmpty, &EmptyNote::actionRequested, this, &WatchPage::evaluateRequested);
    m_smoothing->setValue(930);
    m_axisButton->setText(xTitle(m_axis->kind()) + QStringLiteral(" ▾"));
    showFollow();
}

PlotQuery WatchPage::query() const
{
    PlotQuery q;
    q.axis = m_axis->kind();
    if (m_axis->mode() != TimeAxis::Mode::All) {
        q.x0 = m_axis->from();
        q.x1 = m_axis->to();
        q.live = m_axis->mode() == TimeAxis::Mode::Live;
        if (q.live) { // the width is the question, the place follows the run
            q.x1 -= q.x0;
            q.x0 = 0.0;
        }
    }
    const auto [left, right] = plotSpan();
    q.pixels = std::max(64, static_cast<int>(std::lround((right - left) * devicePixelRatioF())));
    q.tags = curveChoice(m_tag, m_run.last).tags;
    return q;
}

void WatchPage::ask()
{
    if (!isVisible())
        return; // asked when it is shown, with the size that it then has
    if (m_askTimer->isActive()) {
        m_askAgain = true;
        return;
    }
    const auto wanted = query();
    if (wanted == m_asked)
        return;
    m_asked = wanted;
    m_askTimer->start();
    Q_EMIT queryChanged(wanted);
}

void WatchPage::chooseCurve(const std::string& tag)
{
    m_tag = tag;
    m_curveTitle->setText(curveChoice(tag, m_run.last).title + QStringLiteral(" ▾"));
    showRanks();
    ask();
}

void WatchPage::fillCurveMenu()
{
    auto* menu = m_curveTitle->menu();
    menu->clear();
    bool ofRanks = false;
    for (const auto& choice : curveChoices(m_run.last)) {
        if (choice.ofRanks() && !std::exchange(ofRanks, true))
            menu->addSeparator();
        auto* action = menu->addAction(choice.title, this, [this, id = choice.id] { chooseCurve(id); });
        action->setCheckable(true);
        action->setChecked(choice.id == m_tag);
    }
    if (m_run.last.empty())
        menu->addAction(QStringLiteral("Curves appear when the run trains"))->setEnabled(false);
}

void WatchPage::setRun(const RunView& run)
{
    const bool other = run.folder != m_run.folder;
    m_run = run;
    if (!run.last.empty() && curveChoice(m_tag, run.last).tags.empty())
        m_tag = runs::tags::kLoss; // this run has no such ranks
    if (other) {
        m_asked = {};
        m_curves.clear();
        m_legend->setCurves({});
        m_curve->setCurves({});
        m_curve->setMarks({});
        m_distance->setDistances({}, 1);
        m_distance->setMarks({});
        m_curveStack->setCurrentIndex(0);
        m_distanceStack->setCurrentIndex(0);
        m_grid->setGrid({}, std::nullopt, {});
        m_axis->setExtent(0, 1, 0);
        m_axis->showAll();
        chooseCurve(m_tag);
    }
    m_curveTitle->setText(curveChoice(m_tag, run.last).title + QStringLiteral(" ▾"));
    showRanks();
    m_tiles->setRun(run);
    ask(); // another rank may have told of itself

    const bool live = runs::isLive(run.state);
    if (run.state == runs::RunState::Queued)
        m_curveEmpty->setText(QStringLiteral("Waiting for devices"), waitingText(run));
    else
        m_curveEmpty->setText(live ? QStringLiteral("Waiting for the first step") : QStringLiteral("No curve yet"),
                              live ? QStringLiteral("The loss appears here as soon as the trainer has taken its first steps.")
                                   : QStringLiteral("The loss appears here while the run trains. Press Start to begin."));
    m_distanceEmpty->setText(drawsImages(run.config) ? QStringLiteral("No distance yet") : QStringLiteral("No accuracy yet"),
                             expectedMeasurements(run));
    const bool canEvaluate = run.valid() && runs::possible(runs::Action::Evaluate, run.state).allowed;
    m_distanceEmpty->setAction(canEvaluate ? QStringLiteral("Evaluate now") : QString());
}

void WatchPage::setPlotData(const PlotData& data)
{
    if (data.folder != m_run.folder || data.query.axis != m_axis->kind())
        return;
    m_axis->setExtent(data.full0, data.full1, data.now);
    const auto choice = curveChoice(m_tag, m_run.last);
    m_curves.clear();
    for (const auto& curve : data.curves)
        if (std::find(choice.tags.begin(), choice.tags.end(), curve.tag) != choice.tags.end())
            m_curves.push_back(curve);
    const bool any = std::any_of(m_curves.begin(), m_curves.end(), [](const auto& curve) { return curve.envelope.rawPoints > 0; });
    if (any || m_curveStack->currentIndex() == 0 || m_axis->mode() == TimeAxis::Mode::Fixed) {
        m_curve->setMarks(data.marks);
        m_distance->setMarks(data.marks);
        m_legend->setCurves(choice.ofRanks() ? std::vector<CurveView>{} : m_curves);
        m_curve->setCurves(choice.ofRanks() ? curvesOfRanks(choice) : m_legend->shown(m_curves));
    }
    if (any)
        m_curveStack->setCurrentIndex(1);

    const bool distances = std::any_of(data.distances.begin(), data.distances.end(), [](const auto& s) { return !s.points.empty(); });
    m_distance->setDistances(data.distances, 1);
    m_distanceStack->setCurrentIndex(distances ? 1 : 0);
    m_distanceCard->setTitle(distances                   ? qstr(runs::metricTitle(data.distances.front().metric))
                             : drawsImages(m_run.config) ? QStringLiteral("Distance")
                                                         : QStringLiteral("Accuracy"));
    const auto& t = tokens(palette());
    QStringList legend;
    for (std::size_t i = 0; i < data.distances.size() && i < 3; ++i)
        legend << QStringLiteral("<span style='color:%1'>●</span> %2")
                      .arg(t.series[(1 + i) % t.series.size()].name(), qstr(data.distances[i].recipe).toHtmlEscaped());
    m_recipe->setText(legend.join(QStringLiteral("&nbsp; ")));
}

QString WatchPage::waitingText(const RunView& run) const
{
    const QString then = QStringLiteral("The run starts by itself, also when this window is closed.");
    return run.queueWhy.isEmpty() ? then : run.queueWhy.left(1).toUpper() + run.queueWhy.mid(1) + QStringLiteral(". ") + then;
}

std::vector<PlotView::Curve> WatchPage::curvesOfRanks(const CurveChoice& choice) const
{
    const auto slowest = choice.id == kSpeedOfRanks ? slowestRank(m_run.last) : std::nullopt;
    std::vector<PlotView::Curve> curves;
    for (const auto& view : m_curves) {
        const auto place = std::find(choice.tags.begin(), choice.tags.end(), view.tag) - choice.tags.begin();
        curves.push_back({rankTitle(view.tag, m_run.devices), view, static_cast<int>(place), slowest && slowest->tag == view.tag});
        for (auto* points : {&curves.back().view.envelope.points, &curves.back().view.means})
            for (auto& point : *points)
                point.y *= choice.scale;
    }
    return curves;
}

void WatchPage::showRanks()
{
    const auto choice = curveChoice(m_tag, m_run.last);
    const auto slowest = m_tag == kSpeedOfRanks ? slowestRank(m_run.last) : std::nullopt;
    std::vector<RankLegend::Entry> entries;
    for (std::size_t i = 0; choice.ofRanks() && i < choice.tags.size(); ++i) {
        const bool isSlowest = slowest && slowest->tag == choice.tags[i];
        entries.push_back({rankTitle(choice.tags[i], m_run.devices), value(m_run.last.at(choice.tags[i]).value * choice.scale, 3),
                           static_cast<int>(i), isSlowest,
                           isSlowest ? QStringLiteral("slowest, takes %1 × as long").arg(value(slowest->times, 3)) : QString()});
    }
    m_ranks->setEntries(std::move(entries));
}

void WatchPage::setNewestGrid(const QImage& image, const std::optional<runs::SampleEntry>& entry)
{
    m_grid->setGrid(image, entry, expectedSamples(m_run));
}

std::pair<int, int> WatchPage::plotSpan() const
{
    // The empty note takes the plot's place before the first point.
    const QWidget* shown = m_curveStack->currentWidget();
    const int left = shown->mapToGlobal(QPoint(metric::kPlotLeft, 0)).x();
    return {left, left + shown->width() - metric::kPlotLeft - metric::kPlotRight};
}

void WatchPage::showFollow()
{
    const bool follows = m_axis->mode() != TimeAxis::Mode::Fixed;
    m_followButton->setChecked(follows);
    m_followButton->setToolTip(follows ? QStringLiteral("The plots follow the run")
                                       : QStringLiteral("Go back to the newest point and follow the run"));
}

void WatchPage::resizeEvent(QResizeEvent* event)
{
    QWidget::resizeEvent(event);
    Q_EMIT plotSpanChanged();
    ask();
}

void WatchPage::showEvent(QShowEvent* event)
{
    QWidget::showEvent(event);
    QMetaObject::invokeMethod(this, &WatchPage::ask, Qt::QueuedConnection); // when the layout stands
}

Json WatchPage::layoutState() const
{
    return {{"tag", m_tag},
            {"axis", static_cast<int>(m_axis->kind())},
            {"smoothing", m_smoothing->value()},
            {"log", m_logButton->isChecked()},
            {"log_distance", m_logDistance->isChecked()}};
}

void WatchPage::restoreLayout(const Json& state)
{
    if (!state.is_object())
        return;
    const auto whole = [&](const char* key, int otherwise) {
        return state.contains(key) && state[key].is_number_integer() ? state[key].get<int>() : otherwise;
    };
    const auto flag = [&](const char* key) { return state.contains(key) && state[key].is_boolean() && state[key].get<bool>(); };
    m_smoothing->setValue(whole("smoothing", 930));
    m_axis->setKind(static_cast<XAxis>(std::clamp(whole("axis", 0), 0, 4)));
    m_logButton->setChecked(flag("log"));
    m_logDistance->setChecked(flag("log_distance"));
    if (state.contains("tag") && state["tag"].is_string())
        chooseCurve(state["tag"].get<std::string>());
}

} // namespace espalier::widgets
