// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/widgets/page_fixtures.h"
#include "widgets/card.h"
#include "widgets/checkpoints_page.h"
#include "widgets/table_parts.h"
#include "widgets/theme.h"

#include <QAbstractItemModelTester>
#include <QApplication>
#include <QMessageBox>
#include <QPushButton>
#include <QSignalSpy>
#include <QTableView>
#include <QTest>

#include <memory>

using namespace espalier;
using namespace espalier::widgets;

class TestCheckpoints : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void initTestCase() { applyTheme(*qApp, Scheme::Light); }
    void init();
    void cleanup() { m_page.reset(); }

    void modelAppendsUpdatesAndResetsCleanly();
    void saysWhyEachIsKept();
    void actionsNameTheChosenStep();
    void choiceSurvivesNewCheckpoints();
    void keepTurnsAround();
    void damagedOnesCannotBeUsed();
    void deletingAsksFirst();
    void buttonsSayWhyNot();
    void emptyPageSaysHow();

private:
    QPushButton* button(const char* name) const { return m_page->findChild<QPushButton*>(QString::fromLatin1(name)); }
    std::unique_ptr<CheckpointsPage> m_page;
    config::CheckpointConfig m_config;
};

void TestCheckpoints::init()
{
    m_page = std::make_unique<CheckpointsPage>();
    m_page->resize(980, 520);
    m_page->setCheckpoints(fixtures::checkpoints(7), m_config);
    m_page->show();
    QVERIFY(QTest::qWaitForWindowExposed(m_page.get()));
}

void TestCheckpoints::modelAppendsUpdatesAndResetsCleanly()
{
    CheckpointModel model;
    QAbstractItemModelTester tester(&model, QAbstractItemModelTester::FailureReportingMode::QtTest);
    QSignalSpy inserted(&model, &QAbstractItemModel::rowsInserted), reset(&model, &QAbstractItemModel::modelReset),
        changed(&model, &QAbstractItemModel::dataChanged);
    auto all = fixtures::checkpoints(5);
    model.setEntries({all.begin(), all.begin() + 3}, m_config);
    model.setEntries(all, m_config);
    QCOMPARE(inserted.size(), 2);
    all[1].metric = {"fd", 3.0}; // an evaluation came
    changed.clear();
    model.setEntries(all, m_config);
    QVERIFY(changed.size() > 0);
    QVERIFY(model.index(1, CheckpointModel::Distance).data(kBestRole).toBool());
    all.erase(all.begin()); // retention
    model.setEntries(all, m_config);
    QCOMPARE(reset.size(), 1);
    QCOMPARE(model.rowCount(), 4);
}

void TestCheckpoints::saysWhyEachIsKept()
{
    const CheckpointModel& model = *m_page->model();
    QCOMPARE(model.index(1, CheckpointModel::Kept).data().toString(), QStringLiteral("by hand"));
    QVERIFY(!model.index(6, CheckpointModel::Kept).data().toString().isEmpty());
    QCOMPARE(model.index(0, CheckpointModel::Kept).data().toString(), QStringLiteral("may be removed"));
}

void TestCheckpoints::actionsNameTheChosenStep()
{
    QCOMPARE(m_page->chosenStep(), 7000); // the newest
    m_page->choose(3000);
    QSignalSpy sample(m_page.get(), &CheckpointsPage::sampleRequested), exported(m_page.get(), &CheckpointsPage::exportRequested),
        verify(m_page.get(), &CheckpointsPage::verifyRequested), folder(m_page.get(), &CheckpointsPage::openFolderRequested);
    QTest::mouseClick(button("sampleFrom"), Qt::LeftButton);
    QTest::mouseClick(button("exportCheckpoint"), Qt::LeftButton);
    QTest::mouseClick(button("verifyCheckpoint"), Qt::LeftButton);
    QTest::mouseClick(button("openCheckpointFolder"), Qt::LeftButton);
    QCOMPARE(sample.at(0).at(0).toLongLong(), 3000);
    QCOMPARE(exported.at(0).at(0).toLongLong(), 3000);
    QCOMPARE(verify.at(0).at(0).toLongLong(), 3000);
    QCOMPARE(folder.at(0).at(0).toString(), QStringLiteral("checkpoints/step-0003000"));
}

void TestCheckpoints::choiceSurvivesNewCheckpoints()
{
    m_page->choose(2000);
    m_page->setCheckpoints(fixtures::checkpoints(8), m_config);
    QCOMPARE(m_page->chosenStep(), 2000);
    auto fewer = fixtures::checkpoints(8);
    fewer.erase(fewer.begin() + 1);
    m_page->setCheckpoints(fewer, m_config);
    QVERIFY(m_page->chosenStep() != 2000);
}

void TestCheckpoints::keepTurnsAround()
{
    QSignalSpy keep(m_page.get(), &CheckpointsPage::keepRequested);
    m_page->choose(1000);
    QTest::mouseClick(button("keepCheckpoint"), Qt::LeftButton);
    m_page->choose(2000); // kept by hand
    QTest::mouseClick(button("keepCheckpoint"), Qt::LeftButton);
    QCOMPARE(keep.size(), 2);
    QCOMPARE(keep[0][1].toBool(), true);
    QCOMPARE(keep[1][1].toBool(), false);
}

void TestCheckpoints::damagedOnesCannotBeUsed()
{
    m_page->choose(4000);
    QVERIFY(button("sampleFrom")->isEnabled());
    m_page->setCheck(4000, {CheckpointCheck::Damaged, QStringLiteral("model.safetensors is 12 bytes short.")});
    QVERIFY(!button("sampleFrom")->isEnabled());
    QCOMPARE(button("exportCheckpoint")->toolTip(), QStringLiteral("model.safetensors is 12 bytes short."));
    QVERIFY(m_page->model()->index(3, CheckpointModel::Check).data(kFailureRole).toBool());
    m_page->setCheck(4000, {CheckpointCheck::Good, {}});
    QVERIFY(button("sampleFrom")->isEnabled());
}

void TestCheckpoints::deletingAsksFirst()
{
    QSignalSpy deleted(m_page.get(), &CheckpointsPage::deleteRequested);
    const auto answer = [&](const char* name) {
        QTest::mouseClick(button("deleteCheckpoint"), Qt::LeftButton);
        auto* box = m_page->findChild<QMessageBox*>(QStringLiteral("deleteQuestion"));
        QVERIFY(box);
        auto* chosen =
            name ? box->findChild<QPushButton*>(QString::fromLatin1(name)) : qobject_cast<QPushButton*>(box->button(QMessageBox::Cancel));
        QVERIFY(chosen);
        QTest::mouseClick(chosen, Qt::LeftButton);
        QCoreApplication::sendPostedEvents(nullptr, QEvent::DeferredDelete);
    };
    answer(nullptr);
    QCOMPARE(deleted.size(), 0);
    answer("deleteYes");
    QCOMPARE(deleted.size(), 1);
    QCOMPARE(deleted[0][0].toLongLong(), 7000);
}

void TestCheckpoints::buttonsSayWhyNot()
{
    m_page->setPossible(QStringLiteral("The run is not training."), QStringLiteral("No worker is installed."),
                        QStringLiteral("The run is live."));
    for (const char* name : {"writeCheckpoint", "sampleFrom", "deleteCheckpoint"}) {
        QVERIFY2(!button(name)->isEnabled(), name);
        QVERIFY(button(name)->toolTip().endsWith('.'));
    }
    for (QPushButton* each : m_page->findChildren<QPushButton*>())
        QVERIFY(each->objectName() == QLatin1String("emptyAction") || !each->accessibleName().isEmpty());
}

void TestCheckpoints::emptyPageSaysHow()
{
    m_page->setCheckpoints({}, m_config);
    auto* empty = m_page->findChild<EmptyNote*>(QStringLiteral("checkpointsEmpty"));
    QVERIFY(empty->isVisible());
    QSignalSpy asked(m_page.get(), &CheckpointsPage::checkpointRequested);
    QTest::mouseClick(empty->findChild<QPushButton*>(), Qt::LeftButton);
    QCOMPARE(asked.size(), 1);
    QCOMPARE(m_page->chosenStep(), -1);
}

QTEST_MAIN(TestCheckpoints)
#include "tst_checkpoints.moc"
