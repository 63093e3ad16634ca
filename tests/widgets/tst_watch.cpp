// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/curve_choice.h"
#include "widgets/expectations.h"
#include "widgets/format.h"
#include "widgets/plot_view.h"
#include "widgets/rank_legend.h"
#include "widgets/stage_lanes.h"
#include "widgets/theme.h"
#include "widgets/time_axis.h"
#include "widgets/watch_page.h"

#include <QApplication>
#include <QSignalSpy>
#include <QTemporaryDir>
#include <QTest>
#include <QToolButton>

#include <algorithm>
#include <cmath>
#include <limits>

using namespace espalier;
using namespace espalier::widgets;

class TestWatch : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void initTestCase() { applyTheme(*qApp, Scheme::Light); }
    void axisFollowsUntilAPersonZooms();
    void zoomSurvivesNewData();
    void smoothingHasNoStartPull();
    void numbersReadAsPeopleWriteThem();
    void plotKeepsWhatItIsGivenAndNoMore();
    void noLineLeadsOverStepsThatOthersTrained();
    void picturesAreSaved_data();
    void picturesAreSaved();
    void lanesAlignWithThePlots();
    void searchesHaveTheirOwnPlaceInTheLanes();
    void stagesSideBySideHaveALaneEach();
    void manyLanesShareTheRoom();
    void emptyPageSaysWhatWillAppear();
    void nothingComesByItselfToAFinishedRun();
    void curvesOfRanksBelongTogether();
    void theSlowestRankIsMarkedByMoreThanColour();
};

static CurveView curve(int points)
{
    CurveView view;
    view.tag = "loss/train";
    for (int i = 0; i < points; ++i) {
        view.envelope.points.push_back({i * 10.0, 1.0 / (i + 1)});
        view.means.push_back({i * 10.0, 1.0 / (i + 1)});
    }
    view.envelope.rawPoints = points;
    view.envelope.exact = true;
    return view;
}

void TestWatch::axisFollowsUntilAPersonZooms()
{
    TimeAxis axis;
    axis.setExtent(0, 1000, 300);
    QVERIFY(axis.to() > 1005.0 && axis.to() < 1030.0); // what stands at the last step is seen whole
    axis.setExtent(0, 2000, 400);
    QVERIFY(axis.to() > 2010.0 && axis.to() < 2060.0);
    QSignalSpy modes(&axis, &TimeAxis::modeChanged);
    axis.zoomTo(100, 200);
    QCOMPARE(axis.mode(), TimeAxis::Mode::Fixed);
    axis.follow();
    QCOMPARE(axis.mode(), TimeAxis::Mode::Live);
    QCOMPARE(axis.to(), 400.0);
    axis.setExtent(0, 2000, 500);
    QCOMPARE(axis.to(), 500.0);
    QCOMPARE(axis.from(), 400.0);
    axis.showAll();
    QCOMPARE(axis.from(), 0.0);
    QCOMPARE(modes.count(), 3);
}

void TestWatch::zoomSurvivesNewData()
{
    TimeAxis axis;
    axis.setExtent(0, 1000, 300);
    axis.zoomTo(100, 200);
    axis.setExtent(0, 5000, 4000);
    QCOMPARE(axis.from(), 100.0);
    QCOMPARE(axis.to(), 200.0);
    for (int i = 0; i < 200; ++i)
        axis.zoomAround(150, 0.5); // never to nothing
    QVERIFY(axis.to() > axis.from());
    for (int i = 0; i < 200; ++i)
        axis.zoomAround(150, 2); // never out of sight
    QVERIFY(axis.to() - axis.from() <= 10000.0);
}

void TestWatch::smoothingHasNoStartPull()
{
    const std::vector<runs::CurvePoint> flat{{0, 3}, {1, 3}, {2, 3}, {3, 3}};
    for (const auto& point : smoothed(flat, 0.99))
        QVERIFY(std::abs(point.y - 3.0) < 1e-12);
    const std::vector<runs::CurvePoint> holes{{0, 1}, {1, std::numeric_limits<double>::quiet_NaN()}, {2, 1}};
    QCOMPARE(smoothed(holes, 0.5).size(), std::size_t{2});
    QCOMPARE(smoothed(flat, 0.0).back().y, 3.0);
    // The same fall in few and in many points, seen at the same scale, gives the same line.
    const auto fall = [](double apart) {
        std::vector<runs::CurvePoint> points;
        for (double x = 0; x <= 100; x += apart)
            points.push_back({x, 1 - x / 100});
        return smoothed(points, 0.8, 1.0).back().y;
    };
    QVERIFY(std::abs(fall(10) - fall(1)) < 0.05);
    QVERIFY(fall(10) < 0.06);
}

void TestWatch::numbersReadAsPeopleWriteThem()
{
    QCOMPARE(value(0.14821), QStringLiteral("0.1482"));
    QCOMPARE(value(10.314), QStringLiteral("10.31"));
    QCOMPARE(value(1e-4), QStringLiteral("1.0 × 10⁻⁴"));
    QCOMPARE(value(-0.0006, 2), QStringLiteral("−6.0 × 10⁻⁴"));
    QCOMPARE(value(std::nan("")), QStringLiteral("NaN"));
    QCOMPARE(number(12400), QStringLiteral("12\u2009400"));
    QCOMPARE(xText(XAxis::TrainingTime, 7860), QStringLiteral("2 h 11 m"));
}

void TestWatch::plotKeepsWhatItIsGivenAndNoMore()
{
    TimeAxis axis;
    PlotView plot(&axis);
    plot.resize(600, 240);
    axis.setExtent(0, 1000, 1000);
    auto view = curve(100);
    view.envelope.notFinite = {500.0};
    plot.setCurves({{QStringLiteral("Loss"), view, 0, false}});
    QCOMPARE(plot.graphCount(), 2);
    QCOMPARE(plot.graph(0)->dataCount(), 100);
    plot.setCurves({{QStringLiteral("Loss"), curve(50), 0, false}});
    QCOMPARE(plot.graphCount(), 2); // reused
    QCOMPARE(plot.graph(0)->dataCount(), 50);
    plot.setLogarithmic(true);
    QVERIFY(plot.yAxis->range().lower > 0);
    plot.setDistances({{"fd", "FD-1k, EMA", 3.0, 400.0, {{100, 50, 100, 1.0}, {200, 30, 200, std::nullopt}}}}, 1);
    QCOMPARE(plot.graphCount(), 3);
    // A person's zoom: the wheel over the plot.
    QWheelEvent wheel(QPointF(300, 100), plot.mapToGlobal(QPointF(300, 100)), QPoint(), QPoint(0, 120), Qt::NoButton, Qt::NoModifier,
                      Qt::NoScrollPhase, false);
    QApplication::sendEvent(&plot, &wheel);
    QCOMPARE(axis.mode(), TimeAxis::Mode::Fixed);
}

void TestWatch::noLineLeadsOverStepsThatOthersTrained()
{
    TimeAxis axis;
    PlotView plot(&axis);
    axis.setExtent(0, 1000, 1000);
    auto view = curve(100); // a point every 10 steps
    for (auto* points : {&view.envelope.points, &view.means})
        points->erase(points->begin() + 51, points->begin() + 80);
    view.breakAfter = 500.0;
    plot.setCurves({{QStringLiteral("Loss"), view, 0, false}});
    for (const int graph : {0, 1}) {
        const auto data = plot.graph(graph)->data();
        QCOMPARE(data->size(), 72);
        const auto gap = std::find_if(data->constBegin(), data->constEnd(), [](const auto& point) { return std::isnan(point.value); });
        QVERIFY(gap != data->constEnd());
        QCOMPARE((gap - 1)->key, 500.0);
        QCOMPARE((gap + 1)->key, 800.0);
    }
    view.breakAfter = 990.0; // nothing came after
    plot.setCurves({{QStringLiteral("Loss"), view, 0, false}});
    QCOMPARE(plot.graph(0)->dataCount(), 71);
}

void TestWatch::picturesAreSaved_data()
{
    QTest::addColumn<QString>("ending");
    QTest::addColumn<QByteArray>("magic");
    QTest::newRow("png") << ".png" << QByteArray("\x89PNG");
    QTest::newRow("svg") << ".svg" << QByteArray("<?xml");
    QTest::newRow("pdf") << ".pdf" << QByteArray("%PDF");
}

void TestWatch::picturesAreSaved()
{
    QFETCH(QString, ending);
    QFETCH(QByteArray, magic);
    const QTemporaryDir folder;
    TimeAxis axis;
    PlotView plot(&axis);
    plot.resize(600, 240);
    axis.setExtent(0, 1000, 1000);
    plot.setCurves({{QStringLiteral("Loss"), curve(100), 0, false}});
    QVERIFY(plot.saveImage(folder.filePath(QStringLiteral("plot") + ending)));
    QFile file(folder.filePath(QStringLiteral("plot") + ending));
    QVERIFY(file.open(QIODevice::ReadOnly));
    QVERIFY(file.readAll().startsWith(magic));
    QVERIFY(!plot.saveImage(QStringLiteral("/no/such/folder/plot") + ending));
    QCOMPARE(plot.itemCount(), 0); // undressed again
}

void TestWatch::lanesAlignWithThePlots()
{
    TimeAxis axis;
    axis.setExtent(0, 1000, 500);
    StageLanes lanes(&axis);
    lanes.resize(900, lanes.sizeHint().height());
    lanes.setSpan(64, 564);
    lanes.setBlocks({{0, "Stage 1", "whole model", 0, 500, true, true}, {1, "Stage 2", "", 500, 1000, false, false}});
    QSignalSpy clicked(&lanes, &StageLanes::blockClicked);
    QTest::mouseClick(&lanes, Qt::LeftButton, {}, QPoint(64 + 375, 50)); // three quarters along the axis
    QCOMPARE(clicked.count(), 1);
    QCOMPARE(clicked.first().first().toInt(), 1);
    QCOMPARE(axis.from(), 500.0);
    QCOMPARE(axis.to(), 1000.0);
    QTest::mouseClick(&lanes, Qt::LeftButton, {}, QPoint(600, 50)); // right of the axis
    QCOMPARE(clicked.count(), 1);
}

void TestWatch::searchesHaveTheirOwnPlaceInTheLanes()
{
    TimeAxis axis;
    axis.setExtent(0, 1000, 700);
    StageLanes lanes(&axis);
    lanes.resize(900, lanes.sizeHint().height());
    lanes.setSpan(64, 64 + static_cast<int>(axis.to() / 2)); // two steps a pixel
    lanes.setBlocks({{0, "Stage 1", "6 blocks", 0, 500, true, true},
                     {1, "Search for stage 2", "4 candidates", 500, 500, true, true, true}, // takes no steps
                     {1, "Search for stage 2", "supernet", 500, 600, true, true, true},
                     {1, "Stage 2", "8 blocks", 600, 1000, true, false}});
    QSignalSpy stages(&lanes, &StageLanes::blockClicked), searches(&lanes, &StageLanes::searchClicked);
    QTest::mouseClick(&lanes, Qt::LeftButton, {}, QPoint(64 + 250, 50)); // the mark on the boundary
    QTest::mouseClick(&lanes, Qt::LeftButton, {}, QPoint(64 + 280, 50)); // the supernet
    QCOMPARE(searches.count(), 2);
    QCOMPARE(searches.last().first().toInt(), 1);
    QCOMPARE(stages.count(), 0);
    QVERIFY(!lanes.grab().isNull());
    QTest::mouseClick(&lanes, Qt::LeftButton, {}, QPoint(64 + 400, 50));
    QCOMPARE(stages.count(), 1);
    QCOMPARE(lanes.selected(), 1);
    QCOMPARE(axis.from(), 600.0);
}

namespace {

/// A meta model, so many modules side by side and what they make up; the second module trains.
std::vector<BlockView> assembledBlocks(int modules)
{
    std::vector<BlockView> blocks{{0, "Meta model", "4 blocks, all train", 0, 400, true, true}};
    for (int k = 0; k < modules; ++k) {
        BlockView block{k + 1, "Module " + std::to_string(k), "5 blocks, 2 train", 400, 800, k < 2, k == 0};
        block.lane = k;
        block.lanes = modules;
        block.reached = k == 0 ? 800 : k == 1 ? 500 : 400;
        block.state = k == 0 ? runs::RunState::Finished : k == 1 ? runs::RunState::Training : runs::RunState::New;
        blocks.push_back(block);
    }
    blocks.push_back({modules + 1, "Assembled", "8 blocks, all train", 800, 1000, false, false});
    return blocks;
}

/// How many pixels of an area are green beyond doubt.
int filledIn(const QImage& picture, const QRectF& area, qreal scale)
{
    const QColor full = tokens(Scheme::Light).accent;
    int count = 0;
    for (int x = static_cast<int>(area.left() * scale); x < static_cast<int>(area.right() * scale); ++x)
        count += picture.pixelColor(x, static_cast<int>((area.bottom() - 4) * scale)) == full ? 1 : 0;
    return static_cast<int>(count / scale);
}

} // namespace

void TestWatch::stagesSideBySideHaveALaneEach()
{
    TimeAxis axis;
    axis.setExtent(0, 1000, 450);
    StageLanes lanes(&axis);
    const int one = lanes.sizeHint().height();
    lanes.setBlocks(assembledBlocks(4));
    lanes.resize(1300, lanes.sizeHint().height());
    lanes.setSpan(64, 1064); // a step a pixel
    QVERIFY(lanes.sizeHint().height() > one && lanes.sizeHint().height() <= one + 60);
    const QRectF meta = lanes.areaOf(0), assembled = lanes.areaOf(5);
    QCOMPARE(meta.height(), assembled.height());
    for (std::size_t place = 1; place <= 4; ++place) {
        const QRectF lane = lanes.areaOf(place);
        QVERIFY(lane.height() >= 20);
        QVERIFY(lane.left() > meta.right() && lane.right() < assembled.left());
        QVERIFY(lane.top() >= meta.top() && lane.bottom() <= meta.bottom());
        QVERIFY(place == 1 || lane.top() > lanes.areaOf(place - 1).bottom());
        QCOMPARE(lane.left(), lanes.areaOf(1).left());
    }
    QVERIFY2(lanes.accessibleDescription().contains(QStringLiteral("Module 1: 5 blocks, 2 train, training")),
             qPrintable(lanes.accessibleDescription()));
    // Each is filled as far as it came, whatever the run itself says.
    const QPixmap shot = lanes.grab();
    const QImage picture = shot.toImage();
    QVERIFY(filledIn(picture, lanes.areaOf(1), shot.devicePixelRatio()) > 370);
    const int second = filledIn(picture, lanes.areaOf(2), shot.devicePixelRatio());
    QVERIFY2(second > 85 && second < 105, qPrintable(QString::number(second)));
    QCOMPARE(filledIn(picture, lanes.areaOf(3), shot.devicePixelRatio()), 0);

    QSignalSpy clicked(&lanes, &StageLanes::blockClicked);
    for (std::size_t place = 0; place < 6; ++place) {
        QTest::mouseClick(&lanes, Qt::LeftButton, {}, lanes.areaOf(place).center().toPoint());
        QCOMPARE(clicked.last().first().toInt(), static_cast<int>(place));
        axis.showAll();
    }
    // A failed lane differs in shape: its mark is not that of one that waits for its turn.
    auto blocks = assembledBlocks(4);
    blocks[2].state = runs::RunState::Stopped;
    lanes.setBlocks(blocks);
    const QImage stopped = lanes.grab().toImage().convertToFormat(QImage::Format_Grayscale8);
    blocks[2].state = runs::RunState::Failed;
    lanes.setBlocks(blocks);
    QVERIFY(stopped != lanes.grab().toImage().convertToFormat(QImage::Format_Grayscale8));
}

void TestWatch::manyLanesShareTheRoom()
{
    TimeAxis axis;
    axis.setExtent(0, 1000, 450);
    StageLanes lanes(&axis);
    lanes.setSpan(64, 1064);
    lanes.setBlocks(assembledBlocks(4));
    const int four = lanes.sizeHint().height();
    for (const int modules : {2, 3, 6, 12, 24}) {
        lanes.setBlocks(assembledBlocks(modules));
        lanes.resize(1300, lanes.sizeHint().height());
        QVERIFY2(lanes.sizeHint().height() <= four + (modules > 20 ? 30 : 0), qPrintable(QString::number(modules)));
        const auto last = static_cast<std::size_t>(modules);
        QVERIFY(lanes.areaOf(last).height() >= 4);
        QVERIFY(lanes.areaOf(last).bottom() <= lanes.areaOf(0).bottom());
        QVERIFY(lanes.areaOf(last).top() > lanes.areaOf(last - 1).bottom());
        QVERIFY(!lanes.grab().isNull());
    }
}

void TestWatch::emptyPageSaysWhatWillAppear()
{
    TimeAxis axis;
    WatchPage page(&axis);
    page.resize(960, 520);
    QSignalSpy asked(&page, &WatchPage::queryChanged);
    page.show();
    RunView run;
    run.folder = "/runs/a";
    run.name = "a";
    page.setRun(run);
    QTRY_VERIFY(asked.count() > 0);
    const auto query = asked.last().first().value<PlotQuery>();
    QCOMPARE(query.tags, std::vector<std::string>{"loss/train"});
    QVERIFY(query.pixels > 100);
    QVERIFY(!page.grab().isNull());
    PlotData data;
    data.folder = run.folder;
    data.query = query;
    data.full1 = 1000;
    data.curves = {curve(100)};
    page.setPlotData(data);
    QVERIFY(axis.to() >= 1000.0);
    data.folder = "/runs/other"; // late answers of another run are not taken
    data.full1 = 5;
    page.setPlotData(data);
    QVERIFY(axis.to() >= 1000.0);
}

void TestWatch::nothingComesByItselfToAFinishedRun()
{
    RunView run;
    run.config = {{"model", {{"kind", "unet"}}}, {"samples", {{"every", 300}}}, {"evaluation", {{"every", 400}}}};
    run.state = runs::RunState::Training;
    QVERIFY(expectedSamples(run).contains(QStringLiteral("every 300 steps")));
    QVERIFY(expectedMeasurements(run).contains(QStringLiteral("every 400 steps")));
    run.state = runs::RunState::Finished;
    QVERIFY(expectedSamples(run).contains(QStringLiteral("Press Sample")));
    QVERIFY(expectedMeasurements(run).contains(QStringLiteral("Press Evaluate")));
    QVERIFY(!(expectedSamples(run) + expectedMeasurements(run)).contains(QStringLiteral("every")));
}

/// A run whose ranks tell how they fare.
static RunView ranksRun(std::vector<double> speeds)
{
    RunView run;
    run.folder = "/library/ranks";
    run.name = "ranks";
    run.devices = "3,1";
    run.last["loss/train"] = {100, 0.0, 0.5};
    for (std::size_t rank = 0; rank < speeds.size(); ++rank) {
        run.last["speed/rank_" + std::to_string(rank)] = {100, 0.0, speeds[rank]};
        run.last["gpu/rank_" + std::to_string(rank) + "/memory"] = {100, 0.0, 61e9};
    }
    return run;
}

void TestWatch::curvesOfRanksBelongTogether()
{
    const auto run = ranksRun(std::vector<double>(11, 100.0));
    QStringList titles;
    for (const auto& choice : curveChoices(run.last))
        titles << choice.title;
    QCOMPARE(titles,
             (QStringList{QStringLiteral("Loss"), QStringLiteral("Speed of each rank, images/s"), QStringLiteral("GPU memory, GB")}));
    const auto memory = curveChoice("gpu/memory", run.last);
    QCOMPARE(memory.tags.size(), std::size_t{11});
    QCOMPARE(memory.tags.back(), std::string("gpu/rank_10/memory")); // by number, not by letter
    QCOMPARE(rankTitle("gpu/rank_1/memory", run.devices), QStringLiteral("Rank 1 · GPU 1"));
    QCOMPARE(rankTitle("speed/rank_0", run.devices), QStringLiteral("Rank 0 · GPU 3"));
    QCOMPARE(rankTitle("speed/rank_7", run.devices), QStringLiteral("Rank 7"));
    QCOMPARE(rankTitle("speed/rank_0", "cpu:2"), QStringLiteral("Rank 0"));

    TimeAxis axis;
    WatchPage page(&axis);
    page.resize(900, 700);
    page.setRun(run);
    page.restoreLayout({{"tag", "gpu/memory"}});
    QCOMPARE(page.query().tags, memory.tags);
    PlotData data;
    data.folder = run.folder;
    data.full1 = data.x1 = 200;
    for (const auto& tag : memory.tags) {
        auto view = curve(5);
        view.tag = tag;
        for (auto* points : {&view.envelope.points, &view.means})
            for (auto& point : *points)
                point.y = 61e9;
        data.curves.push_back(std::move(view));
    }
    page.setPlotData(data);
    auto* plot = page.findChild<PlotView*>(QStringLiteral("curvePlot"));
    QCOMPARE(plot->graphCount(), 22); // a band and a line of each
    QCOMPARE(plot->graph(0)->data()->constBegin()->value, 61.0);
    const auto* legend = page.findChild<RankLegend*>();
    QCOMPARE(legend->entries().size(), std::size_t{11});
    QCOMPARE(legend->entries()[1].name, QStringLiteral("Rank 1 · GPU 1"));
    QCOMPARE(legend->entries()[1].value, QStringLiteral("61.0"));
    QVERIFY(legend->toolTip().contains(QStringLiteral("Rank 10")));
    // A run without ranks has nothing of the kind.
    auto alone = run;
    alone.folder = "/library/alone";
    alone.last = {{"loss/train", {100, 0.0, 0.5}}};
    page.setRun(alone);
    QCOMPARE(page.query().tags, std::vector<std::string>{"loss/train"});
    QVERIFY(legend->entries().empty() && legend->isHidden());
}

void TestWatch::theSlowestRankIsMarkedByMoreThanColour()
{
    auto run = ranksRun({120.0, 80.0, 118.0, 122.0});
    const auto slowest = slowestRank(run.last);
    QVERIFY(slowest.has_value());
    QCOMPARE(slowest->tag, std::string("speed/rank_1"));
    QCOMPARE(slowest->times, 1.5);
    QVERIFY(!slowestRank(ranksRun({100.0, 100.5}).last));
    QVERIFY(!slowestRank(ranksRun({100.0}).last));

    TimeAxis axis;
    WatchPage page(&axis);
    page.setRun(run);
    page.restoreLayout({{"tag", kSpeedOfRanks}});
    const auto* legend = page.findChild<RankLegend*>();
    QCOMPARE(legend->entries().size(), std::size_t{4});
    for (std::size_t i = 0; i < 4; ++i) {
        QCOMPARE(legend->entries()[i].dashed, i == 1);
        QCOMPARE(legend->entries()[i].mark, i == 1 ? QStringLiteral("slowest, takes 1.50 × as long") : QString());
    }
    QVERIFY(legend->accessibleDescription().contains(QStringLiteral("slowest")));
}

QTEST_MAIN(TestWatch)
#include "tst_watch.moc"
