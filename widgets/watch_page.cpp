// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/watch_page.h"

#include "widgets/card.h"
#include "widgets/format.h"
#include "widgets/grid_card.h"
#include "widgets/plot_view.h"
#include "widgets/theme.h"
#include "widgets/time_axis.h"

#include <QActionGroup>
#include <QApplication>
#include <QClipboard>
#include <QFileDialog>
#include <QGridLayout>
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

std::int64_t settingOf(const Json& config, const char* section, const char* key)
{
    if (!config.is_object() || !config.contains(section) || !config[section].is_object() || !config[section].contains(key) ||
        !config[section][key].is_number())
        return -1;
    return static_cast<std::int64_t>(config[section][key].get<double>());
}

} // namespace

QString curveTitle(const std::string& tag)
{
    namespace tags = runs::tags;
    static const std::map<std::string_view, const char*> kNames{{tags::kLoss, "Loss"},
                                                                {tags::kLearningRate, "Learning rate"},
                                                                {tags::kGradNorm, "Gradient norm"},
                                                                {tags::kImagesPerSecond, "Throughput"},
                                                                {tags::kTrainingSeconds, "Training seconds"},
                                                                {tags::kImages, "Images seen"},
                                                                {tags::kFlops, "FLOPs"},
                                                                {tags::kFd, "FD"}};
    if (const auto it = kNames.find(tag); it != kNames.end())
        return QString::fromLatin1(it->second);
    return qstr(tag);
}

WatchPage::WatchPage(TimeAxis* axis, QWidget* parent)
    : QWidget(parent), m_axis(axis), m_tag(runs::tags::kLoss), m_askTimer(new QTimer(this)), m_curve(new PlotView(axis, this)),
      m_distance(new PlotView(axis, this))
{
    setObjectName(QStringLiteral("watchPage"));
    setAccessibleName(QStringLiteral("Watch"));
    m_askTimer->setSingleShot(true);
    m_askTimer->setInterval(16);
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
    more->setIcon(themedIcon(QStringLiteral("more"), palette()));
    for (auto* button : {m_axisButton, m_logButton, m_followButton, more})
        head->addWidget(button);
    head->setSpacing(4);

    m_curve->setObjectName(QStringLiteral("curvePlot"));
    m_curve->setAccessibleName(QStringLiteral("Curve over the run"));
    addPlotMenu(m_curve, more, QStringLiteral("curve"), true);
    m_curveEmpty = new EmptyNote(QStringLiteral("No curve yet"), QString(), card);
    m_curveStack = new QStackedLayout;
    m_curveStack->addWidget(m_curveEmpty);
    m_curveStack->addWidget(m_curve);
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
    more->setIcon(themedIcon(QStringLiteral("more"), palette()));
    head->addWidget(m_recipe);
    head->addWidget(m_logDistance);
    head->addWidget(more);
    head->setSpacing(4);

    m_distance->setObjectName(QStringLiteral("distancePlot"));
    m_distance->setAccessibleName(QStringLiteral("Distance to the data over the run"));
    addPlotMenu(m_distance, more, QStringLiteral("distance"), false);
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
    auto* tiles = new QGridLayout;
    tiles->setSpacing(metric::kCardGap - 2);
    m_loss = new Tile(QStringLiteral("Loss"), side);
    m_best = new Tile(QStringLiteral("Best FD"), side);
    m_throughput = new Tile(QStringLiteral("Throughput"), side);
    m_rate = new Tile(QStringLiteral("Learning rate"), side);
    const std::pair<Tile*, const char*> all[] = {
        {m_loss, "tileLoss"}, {m_best, "tileBest"}, {m_throughput, "tileThroughput"}, {m_rate, "tileRate"}};
    for (int i = 0; i < 4; ++i) {
        all[i].first->setObjectName(QLatin1String(all[i].second));
        tiles->addWidget(all[i].first, i / 2, i % 2);
    }
    column->addLayout(tiles);
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
        auto wanted = query();
        if (wanted == m_asked)
            return;
        m_asked = wanted;
        Q_EMIT queryChanged(wanted);
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

void WatchPage::addPlotMenu(PlotView* plot, QToolButton* button, const QString& stem, bool curves)
{
    auto* menu = new QMenu(button);
    menu->addAction(themedIcon(QStringLiteral("copy"), palette()), QStringLiteral("Copy picture"), this, [this, plot] {
        QApplication::clipboard()->setPixmap(plot->picture());
        Q_EMIT message(QStringLiteral("The plot is on the clipboard."));
    });
    menu->addAction(QStringLiteral("Save picture as PNG, SVG or PDF…"), this, [this, plot, stem] { savePlot(plot, stem); });
    menu->addAction(QStringLiteral("Save numbers as CSV…"), this, [this, stem, curves] {
        const QString file = QFileDialog::getSaveFileName(this, QStringLiteral("Save numbers"), stem + QStringLiteral(".csv"),
                                                          QStringLiteral("CSV (*.csv)"));
        if (!file.isEmpty())
            Q_EMIT csvRequested({curves ? qstr(m_tag) : QStringLiteral("evaluations")}, file);
    });
    menu->addSeparator();
    menu->addAction(QStringLiteral("Show everything"), this, [this] { m_axis->showAll(); });
    button->setPopupMode(QToolButton::InstantPopup);
    button->setMenu(menu);
    plot->setContextMenuPolicy(Qt::CustomContextMenu);
    connect(plot, &QWidget::customContextMenuRequested, menu, [plot, menu](const QPoint& at) { menu->popup(plot->mapToGlobal(at)); });
}

void WatchPage::savePlot(PlotView* plot, const QString& stem)
{
    QString file = QFileDialog::getSaveFileName(this, QStringLiteral("Save picture"), stem + QStringLiteral(".png"),
                                                QStringLiteral("Pictures (*.png *.svg *.pdf)"));
    if (file.isEmpty())
        return;
    if (QFileInfo(file).suffix().isEmpty())
        file += QStringLiteral(".png");
    plot->setExportTitle(qstr(m_run.name) + QStringLiteral(" · ") +
                         (plot == m_curve ? curveTitle(m_tag) : m_distanceCard->accessibleName()));
    Q_EMIT message(plot->saveImage(file)
                       ? QStringLiteral("Saved %1.").arg(file)
                       : QStringLiteral("Could not write %1: choose a folder that you may write to, and .png, .svg or .pdf.").arg(file));
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
    q.tags = {m_tag};
    return q;
}

void WatchPage::ask()
{
    if (!m_askTimer->isActive())
        m_askTimer->start();
}

void WatchPage::chooseCurve(const std::string& tag)
{
    m_tag = tag;
    m_curveTitle->setText(curveTitle(tag) + QStringLiteral(" ▾"));
    ask();
}

void WatchPage::fillCurveMenu()
{
    auto* menu = m_curveTitle->menu();
    menu->clear();
    for (const auto& [tag, point] : m_run.last) {
        auto* action = menu->addAction(curveTitle(tag), this, [this, tag = tag] { chooseCurve(tag); });
        action->setCheckable(true);
        action->setChecked(tag == m_tag);
    }
    if (m_run.last.empty())
        menu->addAction(QStringLiteral("Curves appear when the run trains"))->setEnabled(false);
}

void WatchPage::setRun(const RunView& run)
{
    const bool other = run.folder != m_run.folder;
    m_run = run;
    if (other) {
        m_asked = {};
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
    m_curveTitle->setText(curveTitle(m_tag) + QStringLiteral(" ▾"));
    showTiles(run);

    const bool live = runs::isLive(run.state);
    m_curveEmpty->setText(live ? QStringLiteral("Waiting for the first step") : QStringLiteral("No curve yet"),
                          live ? QStringLiteral("The loss appears here as soon as the trainer has taken its first steps.")
                               : QStringLiteral("The loss appears here while the run trains. Press Start to begin."));
    const auto every = settingOf(run.config, "evaluation", "every");
    m_distanceEmpty->setText(
        QStringLiteral("No distance yet"),
        every > 0 ? QStringLiteral("The distance between samples and data appears here every %1 steps. Evaluate asks for one now.")
                        .arg(number(every))
                  : QStringLiteral("How far samples are from the data appears here after an evaluation. Press Evaluate, or set "
                                   "“evaluation.every” in the configuration."));
    const bool canEvaluate = run.valid() && runs::possible(runs::Action::Evaluate, run.state).allowed;
    m_distanceEmpty->setAction(canEvaluate ? QStringLiteral("Evaluate now") : QString());
}

void WatchPage::showTiles(const RunView& run)
{
    const auto last = [&](std::string_view tag) -> const runs::ScalarPoint* {
        const auto it = run.last.find(std::string(tag));
        return it == run.last.end() ? nullptr : &it->second;
    };
    if (run.smoothedLoss) {
        QString note = QStringLiteral("at step ") + number(run.progress.step);
        if (run.lossPerThousand) {
            const int places = std::abs(*run.smoothedLoss) >= 0.01 ? 4 : 6;
            const QString change = QString::number(std::abs(*run.lossPerThousand), 'f', places);
            const bool steady = change.toDouble() == 0.0;
            note = steady ? QStringLiteral("steady")
                          : (*run.lossPerThousand > 0 ? QLatin1Char('+') : QChar(0x2212)) + change + QStringLiteral(" per 1 000 steps");
        }
        m_loss->setValue(value(*run.smoothedLoss), note);
    } else {
        m_loss->setValue({}, QStringLiteral("appears with the first steps"));
    }

    const runs::Evaluated* best = nullptr;
    for (const auto& entry : *run.evaluations)
        if ((entry.evaluated.metric == "fd" || entry.evaluated.metric == "fid") && std::isfinite(entry.evaluated.value) &&
            (best == nullptr || entry.evaluated.value < best->value))
            best = &entry.evaluated;
    if (best != nullptr) {
        m_best->setLabel(QStringLiteral("Best ") + qstr(best->metric).toUpper());
        m_best->setValue(value(best->value),
                         (best->spread ? QStringLiteral("± ") + value(*best->spread, 2) + QLatin1Char(' ') : QString()) +
                             QStringLiteral("at step ") + number(best->step));
    } else {
        m_best->setLabel(QStringLiteral("Best FD"));
        m_best->setValue({}, QStringLiteral("appears after an evaluation"));
    }

    if (const auto* speed = last(runs::tags::kImagesPerSecond); speed != nullptr || run.progress.imagesPerSecond > 0) {
        const double rate = run.progress.imagesPerSecond > 0 ? run.progress.imagesPerSecond : speed->value;
        QString note = QStringLiteral("images/s");
        if (const auto batch = settingOf(run.config, "training", "batch_size"); batch > 0 && rate > 0)
            note += QStringLiteral(" · ") + value(rate / static_cast<double>(batch), 3) + QStringLiteral(" steps/s");
        m_throughput->setValue(rate >= 100 ? number(std::llround(rate)) : value(rate, 3), note);
    } else {
        m_throughput->setValue({}, QStringLiteral("images per second"));
    }

    if (const auto* rate = last(runs::tags::kLearningRate)) {
        const auto warmup = settingOf(run.config, "training", "warmup_steps");
        m_rate->setValue(value(rate->value),
                         warmup > rate->step ? QStringLiteral("warming up to step %1").arg(number(warmup)) : QStringLiteral("constant"));
    } else {
        m_rate->setValue({}, QStringLiteral("appears with the first steps"));
    }
}

void WatchPage::setPlotData(const PlotData& data)
{
    if (data.folder != m_run.folder || data.query.axis != m_axis->kind())
        return;
    m_axis->setExtent(data.full0, data.full1, data.now);
    std::vector<PlotView::Curve> curves;
    for (const auto& curve : data.curves)
        if (curve.tag == m_tag)
            curves.push_back({curveTitle(curve.tag), curve, 0, false});
    const bool any = std::any_of(curves.begin(), curves.end(), [](const auto& c) { return c.view.envelope.rawPoints > 0; });
    if (any || m_curveStack->currentIndex() == 0 || m_axis->mode() == TimeAxis::Mode::Fixed) {
        m_curve->setMarks(data.marks);
        m_distance->setMarks(data.marks);
        m_curve->setCurves(std::move(curves));
    }
    if (any)
        m_curveStack->setCurrentIndex(1);

    const bool distances = std::any_of(data.distances.begin(), data.distances.end(), [](const auto& s) { return !s.points.empty(); });
    m_distance->setDistances(data.distances, 1);
    m_distanceStack->setCurrentIndex(distances ? 1 : 0);
    m_distanceCard->setTitle(distances ? qstr(data.distances.front().metric).toUpper() : QStringLiteral("Distance"));
    const auto& t = tokens(palette());
    QStringList legend;
    for (std::size_t i = 0; i < data.distances.size() && i < 3; ++i)
        legend << QStringLiteral("<span style='color:%1'>●</span> %2")
                      .arg(t.series[(1 + i) % t.series.size()].name(), qstr(data.distances[i].recipe).toHtmlEscaped());
    m_recipe->setText(legend.join(QStringLiteral("&nbsp; ")));
}

void WatchPage::setNewestGrid(const QImage& image, const std::optional<runs::SampleEntry>& entry)
{
    const auto every = settingOf(m_run.config, "samples", "every");
    const QString expected =
        every > 0 ? QStringLiteral("A grid of samples appears here every %1 steps, always from the same noise.").arg(number(every))
                  : QStringLiteral("This run draws no samples by itself. Press Sample to draw a grid now.");
    m_grid->setGrid(image, entry, expected);
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

void WatchPage::changeEvent(QEvent* event)
{
    QWidget::changeEvent(event);
    if (event->type() == QEvent::PaletteChange)
        for (auto* button : findChildren<QToolButton*>())
            if (button->objectName().endsWith(QLatin1String("More")))
                button->setIcon(themedIcon(QStringLiteral("more"), palette()));
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
