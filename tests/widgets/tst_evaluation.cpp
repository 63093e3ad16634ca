// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/widgets/page_fixtures.h"
#include "widgets/card.h"
#include "widgets/confusion_view.h"
#include "widgets/evaluation_model.h"
#include "widgets/evaluation_page.h"
#include "widgets/image_provider.h"
#include "widgets/table_parts.h"
#include "widgets/theme.h"

#include <QAbstractItemModelTester>
#include <QApplication>
#include <QClipboard>
#include <QHeaderView>
#include <QLabel>
#include <QPushButton>
#include <QSignalSpy>
#include <QTableView>
#include <QTest>
#include <QToolButton>

#include <limits>
#include <memory>

using namespace espalier;
using namespace espalier::widgets;

class TestEvaluation : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void initTestCase() { applyTheme(*qApp, Scheme::Light); }
    void init();
    void cleanup() { m_page.reset(); }

    void modelAppendsAndResetsCleanly();
    void showsValueWithSpreadAndRecipe();
    void bestOfEachRecipeStandsOut();
    void sortsByNumberNotByText();
    void copiesCsvWithRawNumbers();
    void emptyPageOffersToEvaluateOrSaysWhyNot();
    void oddRecordsAreShownWithoutHarm();
    void aClassifierShowsItsConfusion();

private:
    ImageProvider m_images;
    std::unique_ptr<EvaluationPage> m_page;
    QTableView* table() const { return m_page->findChild<QTableView*>(QStringLiteral("evaluationTable")); }
};

void TestEvaluation::init()
{
    m_page = std::make_unique<EvaluationPage>(&m_images);
    m_page->resize(980, 560);
    m_page->setEvaluations(fixtures::evaluations(8));
    m_page->show();
    QVERIFY(QTest::qWaitForWindowExposed(m_page.get()));
}

void TestEvaluation::modelAppendsAndResetsCleanly()
{
    EvaluationModel model;
    QAbstractItemModelTester tester(&model, QAbstractItemModelTester::FailureReportingMode::QtTest);
    QSignalSpy inserted(&model, &QAbstractItemModel::rowsInserted), reset(&model, &QAbstractItemModel::modelReset);
    auto all = fixtures::evaluations(6);
    model.setEntries({all.begin(), all.begin() + 4});
    model.setEntries(all);
    model.setEntries(all);
    QCOMPARE(inserted.size(), 2);
    QCOMPARE(reset.size(), 0);
    model.setEntries(fixtures::evaluations(2)); // shorter: another run, or superseded
    QCOMPARE(reset.size(), 1);
    QCOMPARE(model.rowCount(), 2);
}

void TestEvaluation::showsValueWithSpreadAndRecipe()
{
    const EvaluationModel& model = *m_page->model();
    const auto text = [&](int column) { return model.index(0, column).data().toString(); };
    QCOMPARE(text(EvaluationModel::Metric), QStringLiteral("FD"));
    QCOMPARE(text(EvaluationModel::Value), QStringLiteral("48.00 ± 0.4"));
    QCOMPARE(text(EvaluationModel::Sampler), QStringLiteral("DDIM-50"));
    QCOMPARE(text(EvaluationModel::Recipe), QStringLiteral("FD-1k, EMA, DDIM-50, seed 1"));
    QCOMPARE(text(EvaluationModel::Nearest), QStringLiteral("0.2100"));
    QVERIFY(!model.index(0, EvaluationModel::Floor).data(Qt::ToolTipRole).toString().isEmpty());
}

void TestEvaluation::bestOfEachRecipeStandsOut()
{
    const EvaluationModel& model = *m_page->model();
    QList<int> best;
    for (int row = 0; row < model.rowCount(); ++row)
        if (model.index(row, EvaluationModel::Value).data(kBestRole).toBool())
            best << row;
    auto* legend = m_page->findChild<QLabel*>(QStringLiteral("evaluationLegend"));
    QVERIFY(legend->text().contains(QStringLiteral("EMA, DDIM-50")) && legend->text().contains(QStringLiteral("raw, DDIM-50")));
    QCOMPARE(best, (QList<int>{6, 7})); // row 7 is the best with raw weights, which is another recipe
}

void TestEvaluation::sortsByNumberNotByText()
{
    table()->sortByColumn(EvaluationModel::Value, Qt::AscendingOrder);
    double last = 0.0;
    for (int row = 0; row < 8; ++row) {
        const double value = table()->model()->index(row, EvaluationModel::Value).data(kRawRole).toDouble();
        QVERIFY(value >= last);
        last = value;
    }
    table()->sortByColumn(EvaluationModel::Step, Qt::AscendingOrder);
    QCOMPARE(table()->model()->index(0, EvaluationModel::Step).data(kRawRole).toLongLong(), 2000);
}

void TestEvaluation::copiesCsvWithRawNumbers()
{
    QTest::mouseClick(m_page->findChild<QToolButton*>(QStringLiteral("copyCsv")), Qt::LeftButton);
    const QStringList lines = QGuiApplication::clipboard()->text().split('\n', Qt::SkipEmptyParts);
    QCOMPARE(lines.size(), 9);
    QVERIFY(lines[0].startsWith(QStringLiteral("Step,Metric,Value,Floor")));
    QVERIFY2(lines[1].startsWith(QStringLiteral("16000,FD,")), qPrintable(lines[1])); // newest first, no thin spaces
    QVERIFY(lines[1].contains(QStringLiteral("\"FD-1k, raw, DDIM-50, seed 1\"")));
    table()->selectRow(2);
    QTest::keySequence(table(), QKeySequence::Copy);
    QCOMPARE(QGuiApplication::clipboard()->text().split('\n', Qt::SkipEmptyParts).size(), 2);
}

void TestEvaluation::emptyPageOffersToEvaluateOrSaysWhyNot()
{
    m_page->setEvaluations({});
    auto* empty = m_page->findChild<EmptyNote*>(QStringLiteral("evaluationEmpty"));
    QVERIFY(empty->isVisible());
    QSignalSpy asked(m_page.get(), &EvaluationPage::evaluateRequested);
    QTest::mouseClick(empty->findChild<QPushButton*>(), Qt::LeftButton);
    QCOMPARE(asked.size(), 1);
    m_page->setEvaluatePossible(QStringLiteral("The run has no checkpoint yet."));
    QVERIFY(!empty->findChild<QPushButton*>()->isVisible());
    auto* button = m_page->findChild<QPushButton*>(QStringLiteral("evaluateNow"));
    QVERIFY(!button->isEnabled());
    QCOMPARE(button->toolTip(), QStringLiteral("The run has no checkpoint yet."));
}

void TestEvaluation::oddRecordsAreShownWithoutHarm()
{
    runs::EvaluationEntry odd;
    odd.evaluated.metric = "fd";
    odd.evaluated.recipe = Json::array({1, 2});
    odd.evaluated.extra = "text";
    odd.evaluated.value = std::numeric_limits<double>::quiet_NaN();
    runs::EvaluationEntry odder = odd;
    odder.evaluated.recipe = {{"name", 5}, {"sampler", {{"kind", 7}, {"steps", "x"}}}, {"images", "many"}};
    m_page->setEvaluations({odd, odder});
    QCOMPARE(m_page->model()->rowCount(), 2);
    QCOMPARE(m_page->model()->index(0, EvaluationModel::Value).data().toString(), QStringLiteral("–"));
    for (int row = 0; row < 2; ++row)
        for (int column = 0; column < EvaluationModel::kColumns; ++column)
            for (int role : {int(Qt::DisplayRole), int(Qt::ToolTipRole), kRawRole, kBestRole})
                m_page->model()->index(row, column).data(role);
    QVERIFY(!m_page->csv().isEmpty());
    m_page->grab();
}

void TestEvaluation::aClassifierShowsItsConfusion()
{
    auto* view = m_page->findChild<ConfusionView*>(QStringLiteral("confusionView"));
    QVERIFY(view != nullptr);
    QVERIFY(!view->isVisible()); // none was measured
    m_page->setDraws(false);
    m_page->setConfusion(std::make_shared<ConfusionOfStep>(ConfusionOfStep{1000, {{"oak", "moth"}, {8, 2, 0, 10}}}));
    QVERIFY(QTest::qWaitFor([&] { return view->isVisible(); }));
    QCoreApplication::processEvents();
    QCOMPARE(view->sentenceAt(view->cellRect(0, 1).center().toPoint()),
             QStringLiteral("2 of 10 images of \"oak\" were taken for \"moth\"."));
    QCOMPARE(view->sentenceAt(QPoint(1, 1)), QString());
    QVERIFY(view->accessibleDescription().contains(QStringLiteral("18 of 20")));
    const auto picture = view->grab().toImage();
    const auto ratio = picture.devicePixelRatio();
    const auto colourIn = [&](std::size_t truth, std::size_t predicted) {
        const auto at = view->cellRect(truth, predicted).topLeft() + QPointF(4, 4);
        return picture.pixelColor((at * ratio).toPoint());
    };
    QCOMPARE(colourIn(1, 1), tokens(Scheme::Light).accent); // all of this class were told
    QVERIFY(colourIn(0, 1) != colourIn(1, 0));              // some mistakes, and none
    m_page->setConfusion(nullptr);
    QVERIFY(!view->isVisible());
}

QTEST_MAIN(TestEvaluation)
#include "tst_evaluation.moc"
