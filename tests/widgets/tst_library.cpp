// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/library_model.h"
#include "widgets/library_panel.h"
#include "widgets/state_look.h"
#include "widgets/theme.h"

#include <QAbstractItemModelTester>
#include <QApplication>
#include <QElapsedTimer>
#include <QLineEdit>
#include <QListView>
#include <QSignalSpy>
#include <QTest>

#include <set>

using namespace espalier;
using namespace espalier::widgets;

class TestLibrary : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void initTestCase() { applyTheme(*qApp, Scheme::Light); }
    void modelKeepsItsPromises();
    void filterFindsEveryWord();
    void ordersAsChosen();
    void selectionIsSaidOnceAndSurvivesChanges();
    void everyStateHasItsOwnLook();
    void twoHundredRunsPaintFast();
};

static runs::RunSummary run(const std::string& name, runs::RunState state, double changed = 0)
{
    runs::RunSummary summary;
    summary.folder = "/runs/" + name;
    summary.name = name;
    summary.state = state;
    summary.model = "unet";
    summary.dataset = "garden";
    summary.schedule = "plain";
    summary.changed = changed;
    summary.progress.fraction = 0.4;
    for (int i = 0; i < 48; ++i)
        summary.sparkline.push_back(1.0f / static_cast<float>(i + 1));
    return summary;
}

void TestLibrary::modelKeepsItsPromises()
{
    LibraryModel model;
    LibraryFilter filter;
    filter.setSourceModel(&model);
    QAbstractItemModelTester onModel(&model, QAbstractItemModelTester::FailureReportingMode::QtTest);
    QAbstractItemModelTester onFilter(&filter, QAbstractItemModelTester::FailureReportingMode::QtTest);
    model.apply({run("a", runs::RunState::Training), run("b", runs::RunState::Paused)}, {});
    QCOMPARE(model.rowCount(), 2);
    model.apply({run("b", runs::RunState::Training), run("c", runs::RunState::Failed)}, {"/runs/a"});
    QCOMPARE(model.rowCount(), 2);
    QCOMPARE(model.liveCount(), 1);
    QVERIFY(model.find("/runs/a") == nullptr);
    QCOMPARE(model.find("/runs/b")->state, runs::RunState::Training);
    model.clear();
    QCOMPARE(filter.rowCount(), 0);
}

void TestLibrary::filterFindsEveryWord()
{
    LibraryModel model;
    LibraryFilter filter;
    filter.setSourceModel(&model);
    model.apply({run("rose", runs::RunState::Training), run("oak", runs::RunState::Paused), run("rose-2", runs::RunState::Paused)}, {});
    filter.setWords(QStringLiteral("rose paused"));
    QCOMPARE(filter.rowCount(), 1);
    QCOMPARE(filter.index(0, 0).data().toString(), QStringLiteral("rose-2"));
    filter.setWords(QStringLiteral("U-Net"));
    QCOMPARE(filter.rowCount(), 3);
    filter.setWords(QStringLiteral("nothing"));
    QCOMPARE(filter.rowCount(), 0);
}

void TestLibrary::ordersAsChosen()
{
    LibraryModel model;
    LibraryFilter filter;
    filter.setSourceModel(&model);
    model.apply({run("b", runs::RunState::Finished, 300), run("a", runs::RunState::Paused, 100), run("c", runs::RunState::Training, 50)},
                {});
    QCOMPARE(filter.index(0, 0).data().toString(), QStringLiteral("c")); // live first
    QCOMPARE(filter.index(1, 0).data().toString(), QStringLiteral("b")); // then the newest
    filter.setOrder(LibraryFilter::Order::Name);
    QCOMPARE(filter.index(0, 0).data().toString(), QStringLiteral("a"));
}

void TestLibrary::selectionIsSaidOnceAndSurvivesChanges()
{
    LibraryModel model;
    LibraryPanel panel(&model);
    panel.show();
    model.apply({run("a", runs::RunState::Paused), run("b", runs::RunState::Paused)}, {});
    QSignalSpy chosen(&panel, &LibraryPanel::selectedRun);
    panel.select("/runs/b");
    QCOMPARE(chosen.count(), 0); // it was not a person
    QCOMPARE(panel.selected(), std::filesystem::path("/runs/b"));
    model.apply({run("b", runs::RunState::Training), run("c", runs::RunState::Training)}, {});
    QCOMPARE(panel.selected(), std::filesystem::path("/runs/b"));
    auto* list = panel.findChild<QListView*>(QStringLiteral("libraryList"));
    QTest::keyClick(list, Qt::Key_Down);
    QTest::keyClick(list, Qt::Key_Home);
    QVERIFY(chosen.count() >= 1);
    auto* words = panel.findChild<QLineEdit*>(QStringLiteral("libraryFilter"));
    words->setText(QStringLiteral("zzz"));
    QVERIFY(!list->isVisible());
}

void TestLibrary::everyStateHasItsOwnLook()
{
    // State never by colour alone: states that call for different acts differ in shape.
    using runs::RunState;
    std::set<StateShape> shapes;
    for (const auto state :
         {RunState::New, RunState::Training, RunState::Paused, RunState::Stopped, RunState::Finished, RunState::Failed, RunState::Lost})
        shapes.insert(shapeOf(state));
    QCOMPARE(shapes.size(), std::size_t{7});
}

void TestLibrary::twoHundredRunsPaintFast()
{
    LibraryModel model;
    LibraryPanel panel(&model);
    panel.resize(272, 700);
    std::vector<runs::RunSummary> many;
    for (int i = 0; i < 200; ++i)
        many.push_back(run("run-" + std::to_string(i), runs::RunState::Finished, i));
    model.apply(many, {});
    panel.show();
    const QPixmap picture = panel.grab(); // lays out and paints
    QVERIFY(!picture.isNull());
    QCOMPARE(model.rowCount(), 200);
}

QTEST_MAIN(TestLibrary)
#include "tst_library.moc"
