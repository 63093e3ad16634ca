// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/card.h"
#include "widgets/log_page.h"
#include "widgets/theme.h"

#include <QAbstractItemModelTester>
#include <QApplication>
#include <QClipboard>
#include <QComboBox>
#include <QElapsedTimer>
#include <QLineEdit>
#include <QListView>
#include <QPushButton>
#include <QScrollBar>
#include <QTest>
#include <QToolButton>
#include <QWheelEvent>

#include <memory>

using namespace espalier;
using namespace espalier::widgets;

class TestLog : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void initTestCase() { applyTheme(*qApp, Scheme::Light); }
    void init();
    void cleanup() { m_page.reset(); }

    void linesOfTheLogFileAreRead();
    void failuresCarryTheirExplanation();
    void memoryIsBounded();
    void filtersByLevelAndWords();
    void followsTheEndUnlessScrolledUp();
    void copiesWhatIsShownOrChosen();
    void emptyAndNothingMatches();
    void manyLinesAreQuick();

private:
    std::vector<LogLine> lines(int count) const;
    QListView* list() const { return m_page->findChild<QListView*>(QStringLiteral("logLines")); }
    std::unique_ptr<LogPage> m_page;
};

void TestLog::init()
{
    m_page = std::make_unique<LogPage>();
    m_page->resize(900, 400);
    m_page->show();
    QVERIFY(QTest::qWaitForWindowExposed(m_page.get()));
}

std::vector<LogLine> TestLog::lines(int count) const
{
    std::vector<LogLine> all;
    for (int i = 0; i < count; ++i)
        all.push_back({1795465812.0 + i, i % 10 == 9 ? LogLevel::Warning : LogLevel::Info, QStringLiteral("line %1").arg(i), {}});
    return all;
}

void TestLog::linesOfTheLogFileAreRead()
{
    const LogLine line = parseLogLine("2026-11-23 21:04:07 warning 3 images were skipped\n");
    QCOMPARE(line.level, LogLevel::Warning);
    QCOMPARE(line.text, QStringLiteral("3 images were skipped"));
    QVERIFY(line.time > 0.0);
    QCOMPARE(parseLogLine("terminate called after throwing").text, QStringLiteral("terminate called after throwing"));
    QCOMPARE(parseLogLine("2026-11-23 21:04:07 nonsense word").time, 0.0);
    QCOMPARE(parseLogLine("").text, QString());
    QVERIFY(parseLogLine(std::string(1 << 20, 'x')).text.size() < 5000);
}

void TestLog::failuresCarryTheirExplanation()
{
    runs::Failed failed;
    failed.message = "Worker 1 was killed: out of memory.";
    failed.step = 1200;
    failed.code = "memory";
    const auto line = logLineOf(runs::makeEvent(failed, 1795465812.0));
    QVERIFY(line);
    QCOMPARE(line->level, LogLevel::Error);
    QVERIFY(line->explanation.contains(QStringLiteral("training.micro_batch")));
    m_page->append({*line});
    QCOMPARE(m_page->model()->rowCount(), 3); // the line and two sentences
    QVERIFY(m_page->model()->index(1).data(LogModel::ExplanationRole).toBool());
    for (const char* code : {"usage", "io", "format", "busy", "memory", "device", "not_finite", "lost", "cancelled", "internal"})
        QVERIFY2(!explainFailure(code).isEmpty(), code);
    QVERIFY(!logLineOf(runs::Event{0.0, "no-such-kind", Json::object()}));
}

void TestLog::memoryIsBounded()
{
    LogModel model(100);
    QAbstractItemModelTester tester(&model, QAbstractItemModelTester::FailureReportingMode::QtTest);
    for (int i = 0; i < 50; ++i) {
        model.append(lines(7));
        QVERIFY(model.rowCount() <= 100);
    }
    QCOMPARE(model.dropped() + model.rowCount(), 350);
    model.append(lines(1000));
    QCOMPARE(model.rowCount(), 100);
    QCOMPARE(model.index(99).data().toString(), QStringLiteral("line 999"));
}

void TestLog::filtersByLevelAndWords()
{
    m_page->append(lines(30));
    auto* level = m_page->findChild<QComboBox*>(QStringLiteral("logLevel"));
    level->setCurrentIndex(level->findText(QStringLiteral("Warnings")));
    QCOMPARE(list()->model()->rowCount(), 3);
    level->setCurrentIndex(0);
    QTest::keyClicks(m_page->findChild<QLineEdit*>(QStringLiteral("logSearch")), QStringLiteral("LINE 2"));
    QCOMPARE(list()->model()->rowCount(), 12); // 2, 12, 20 … 29
    m_page->findChild<QLineEdit*>()->clear();
    m_page->append({{1.0, LogLevel::Error, QStringLiteral("it broke"), QStringLiteral("Do this. Or that.")}});
    QTest::keyClicks(m_page->findChild<QLineEdit*>(QStringLiteral("logSearch")), QStringLiteral("broke"));
    QCOMPARE(list()->model()->rowCount(), 3); // an explanation comes with its line
}

void TestLog::followsTheEndUnlessScrolledUp()
{
    m_page->append(lines(200));
    QScrollBar* bar = list()->verticalScrollBar();
    QTRY_COMPARE(bar->value(), bar->maximum());
    QVERIFY(m_page->isFollowing());
    const QPointF middle = list()->viewport()->rect().center();
    QWheelEvent wheel(middle, list()->viewport()->mapToGlobal(middle), {}, {0, 1200}, Qt::NoButton, Qt::NoModifier, Qt::NoScrollPhase,
                      false);
    QCoreApplication::sendEvent(list()->viewport(), &wheel);
    QTRY_VERIFY(!m_page->isFollowing());
    const int where = bar->value();
    m_page->append(lines(50));
    QCoreApplication::processEvents();
    QCOMPARE(bar->value(), where);
    auto* follow = m_page->findChild<QPushButton*>(QStringLiteral("followLog"));
    QVERIFY(follow->isVisible());
    QTest::mouseClick(follow, Qt::LeftButton);
    QVERIFY(m_page->isFollowing());
    QTRY_COMPARE(bar->value(), bar->maximum());
    QVERIFY(!follow->isVisible());
    list()->setFocus();
    QTest::keyClick(list(), Qt::Key_Home);
    QTRY_VERIFY(!m_page->isFollowing());
    QTest::keyClick(list(), Qt::Key_End);
    QTRY_VERIFY(m_page->isFollowing());
}

void TestLog::copiesWhatIsShownOrChosen()
{
    m_page->append(lines(10));
    QTest::mouseClick(m_page->findChild<QToolButton*>(QStringLiteral("copyLog")), Qt::LeftButton);
    QCOMPARE(QGuiApplication::clipboard()->text().count('\n'), 10);
    QVERIFY(QGuiApplication::clipboard()->text().contains(QStringLiteral("warning line 9")));
    list()->selectionModel()->select(list()->model()->index(3, 0), QItemSelectionModel::Select);
    QCOMPARE(m_page->text().count('\n'), 1);
}

void TestLog::emptyAndNothingMatches()
{
    auto* empty = m_page->findChild<EmptyNote*>(QStringLiteral("logEmpty"));
    QVERIFY(empty->isVisible());
    m_page->append(lines(3));
    QVERIFY(!empty->isVisible());
    m_page->findChild<QLineEdit*>()->setText(QStringLiteral("xyzzy"));
    QVERIFY(empty->isVisible());
    m_page->clear();
    QVERIFY(empty->isVisible());
}

void TestLog::manyLinesAreQuick()
{
    QElapsedTimer timer;
    timer.start();
    for (int i = 0; i < 60; ++i)
        m_page->append(lines(1000));
    m_page->grab();
    qInfo("60 000 lines in %lld ms", static_cast<long long>(timer.elapsed()));
    QVERIFY(m_page->model()->rowCount() <= LogModel::kDefaultLimit);
}

QTEST_MAIN(TestLog)
#include "tst_log.moc"
