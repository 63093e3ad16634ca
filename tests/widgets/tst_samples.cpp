// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/widgets/page_fixtures.h"
#include "widgets/card.h"
#include "widgets/filmstrip.h"
#include "widgets/samples_page.h"
#include "widgets/theme.h"

#include <QApplication>
#include <QComboBox>
#include <QFile>
#include <QLabel>
#include <QMenu>
#include <QPushButton>
#include <QSignalSpy>
#include <QSlider>
#include <QTemporaryDir>
#include <QTest>
#include <QToolButton>
#include <QWheelEvent>

#include <memory>

using namespace espalier;
using namespace espalier::widgets;

class TestSamples : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void initTestCase();
    void init();
    void cleanup();

    void emptyPageSaysWhatWillAppear();
    void opensOnTheNewestAveragedGrid();
    void keysAndSliderMoveThroughTime();
    void newGridsAreFollowedOnlyFromTheEnd();
    void filtersKeepTheStep();
    void spacePlaysToTheEndAndStops();
    void wheelZoomsAboutThePointerAndViewsAreLinked();
    void clickingACellFollowsItThroughTime();
    void cellsAreCutWhereTheyLie();
    void layoutIsWorkedOutWithoutItsText();
    void exportsGridStripAndCells();
    void exportSaysWhatWentWrong();
    void damagedGridsSayTheirName();
    void aStageStandsBesideTheNext();
    void anotherRunStartsAnew();
    void everyControlHasNames();
    void closingWhileReadingIsSafe();

private:
    QImage picture() { return m_page->findChild<GridView*>(QStringLiteral("grid"))->grab().toImage(); }
    GridView* view() const { return m_page->findChild<GridView*>(QStringLiteral("grid")); }
    QPoint cellPoint(int cell) const
    {
        const QRect pixels = view()->cells().cell(cell);
        return (view()->pictureRect().topLeft() + QPointF(pixels.center()) * view()->scale()).toPoint();
    }

    QTemporaryDir m_dir;
    std::vector<runs::SampleEntry> m_samples;
    std::unique_ptr<ImageProvider> m_provider;
    std::unique_ptr<SamplesPage> m_page;
};

void TestSamples::initTestCase()
{
    applyTheme(*qApp, Scheme::Light);
    m_samples = fixtures::writeSamples(m_dir.path(), 9, 4, 4, 16);
}

void TestSamples::init()
{
    m_provider = std::make_unique<ImageProvider>();
    m_page = std::make_unique<SamplesPage>(m_provider.get());
    m_page->resize(980, 620);
    m_page->setSamples(m_dir.path(), m_samples);
    m_page->show();
    QVERIFY(QTest::qWaitForWindowExposed(m_page.get()));
    QTRY_VERIFY(view()->cells().isValid());
}

void TestSamples::cleanup()
{
    m_page.reset();
    m_provider.reset();
}

void TestSamples::emptyPageSaysWhatWillAppear()
{
    m_page->setSamples(QStringLiteral("/nowhere"), {});
    auto* empty = m_page->findChild<EmptyNote*>(QStringLiteral("samplesEmpty"));
    QVERIFY(empty->isVisible());
    m_page->setExpectation(QStringLiteral("The first grid comes at step 500."), QString());
    QSignalSpy asked(m_page.get(), &SamplesPage::sampleRequested);
    QTest::mouseClick(empty->findChild<QPushButton*>(), Qt::LeftButton);
    QCOMPARE(asked.size(), 1);
    m_page->setExpectation(QString(), QStringLiteral("The run has not started."));
    QVERIFY(!empty->findChild<QPushButton*>()->isVisible());
}

void TestSamples::opensOnTheNewestAveragedGrid()
{
    QCOMPARE(m_page->currentStep(), 4500);
    QCOMPARE(m_page->shownCount(), 9);
    QCOMPARE(m_page->findChild<QComboBox*>(QStringLiteral("weightsFilter"))->currentText(), QStringLiteral("EMA 0.9999"));
}

void TestSamples::keysAndSliderMoveThroughTime()
{
    view()->setFocus();
    QTest::keyClick(view(), Qt::Key_Left);
    QCOMPARE(m_page->currentStep(), 4000);
    QTest::keyClick(view(), Qt::Key_Home);
    QCOMPARE(m_page->currentStep(), 500);
    QTest::keyClick(view(), Qt::Key_Left);
    QCOMPARE(m_page->currentStep(), 500);
    QTest::keyClick(m_page->findChild<Filmstrip*>(QStringLiteral("filmstrip")), Qt::Key_Right);
    QCOMPARE(m_page->currentStep(), 1000);
    QTest::keyClick(m_page->findChild<QSlider*>(), Qt::Key_End);
    QCOMPARE(m_page->currentStep(), 4500);
    auto* film = m_page->findChild<Filmstrip*>(QStringLiteral("filmstrip"));
    QTest::mouseClick(film->viewport(), Qt::LeftButton, {}, film->frameRect(2).center());
    QCOMPARE(m_page->currentStep(), 1500);
}

void TestSamples::newGridsAreFollowedOnlyFromTheEnd()
{
    std::vector<runs::SampleEntry> early(m_samples.begin(), m_samples.begin() + 8);
    m_page->setSamples(m_dir.path(), early);
    QTest::keyClick(view(), Qt::Key_Home);
    m_page->setSamples(m_dir.path(), m_samples);
    QCOMPARE(m_page->currentStep(), 500);
    m_page->setSamples(m_dir.path(), early);
    QTest::keyClick(view(), Qt::Key_End);
    m_page->setSamples(m_dir.path(), m_samples);
    QCOMPARE(m_page->currentStep(), 4500);

    // What is compared with stays beside it.
    m_page->setSamples(m_dir.path(), early);
    m_page->showStep(1500);
    m_page->findChild<QPushButton*>(QStringLiteral("compareSteps"))->click();
    QTest::keyClick(view(), Qt::Key_End);
    m_page->setSamples(m_dir.path(), m_samples);
    QCOMPARE(m_page->currentStep(), 4500);
    auto* other = m_page->findChild<GridView*>(QStringLiteral("gridA"));
    QVERIFY(!other->isHidden());
    m_page->findChild<QPushButton*>(QStringLiteral("compareSteps"))->click();
}

void TestSamples::filtersKeepTheStep()
{
    m_page->showStep(2500);
    auto* weights = m_page->findChild<QComboBox*>(QStringLiteral("weightsFilter"));
    weights->setCurrentIndex(weights->findText(QStringLiteral("Raw")));
    Q_EMIT weights->activated(weights->currentIndex());
    QCOMPARE(m_page->currentStep(), 2500);
    QCOMPARE(m_page->shownCount(), 9);
    m_page->setStage(1);
    QCOMPARE(m_page->shownCount(), 3);
    QCOMPARE(m_page->currentStep(), 3500);
    m_page->setStage(-1);
    weights->setCurrentIndex(weights->findText(QStringLiteral("All weights")));
    Q_EMIT weights->activated(weights->currentIndex());
    QCOMPARE(m_page->shownCount(), 18);
}

void TestSamples::spacePlaysToTheEndAndStops()
{
    m_page->showStep(3500);
    QTest::keyClick(view(), Qt::Key_Space);
    QVERIFY(m_page->isPlaying());
    QTRY_COMPARE(m_page->currentStep(), 4500);
    QTRY_VERIFY(!m_page->isPlaying());
    QTest::keyClick(view(), Qt::Key_Space); // from the start again
    QCOMPARE(m_page->currentStep(), 500);
    QTest::keyClick(view(), Qt::Key_Space);
    QVERIFY(!m_page->isPlaying());
}

void TestSamples::wheelZoomsAboutThePointerAndViewsAreLinked()
{
    m_page->showStep(1000);
    m_page->setComparing(true);
    m_page->showStep(4500);
    auto* other = m_page->findChild<GridView*>(QStringLiteral("gridA"));
    QVERIFY(other->isVisible());
    QTRY_VERIFY(other->cells().isValid());
    QCoreApplication::processEvents();
    const QPointF at = cellPoint(6);
    const QPointF before = view()->toPicture(at);
    QWheelEvent wheel(at, view()->mapToGlobal(at), {}, {0, 480}, Qt::NoButton, Qt::NoModifier, Qt::NoScrollPhase, false);
    QCoreApplication::sendEvent(view(), &wheel);
    QVERIFY(view()->view().zoom > 1.5);
    const QPointF after = view()->toPicture(at);
    QVERIFY2((after - before).manhattanLength() < 1.0, qPrintable(QString::number((after - before).manhattanLength())));
    QVERIFY(other->view() == view()->view());
    QTest::mouseClick(m_page->findChild<QToolButton*>(QStringLiteral("fitGrid")), Qt::LeftButton);
    QCOMPARE(view()->view().zoom, 1.0);
    m_page->setComparing(false);
    QVERIFY(!other->isVisible());
}

void TestSamples::clickingACellFollowsItThroughTime()
{
    auto* cells = m_page->findChild<Filmstrip*>(QStringLiteral("cellStrip"));
    QVERIFY(!cells->isVisible());
    QTest::mouseClick(view(), Qt::LeftButton, {}, cellPoint(5));
    QCOMPARE(m_page->followedCell(), 5);
    QVERIFY(cells->isVisible());
    QTest::keyClick(cells, Qt::Key_Left);
    QCOMPARE(m_page->currentStep(), 4000);
    QTest::keyClick(cells, Qt::Key_Escape);
    QCOMPARE(m_page->followedCell(), -1);
    QVERIFY(view()->isVisible());
    QTest::mouseClick(view(), Qt::LeftButton, {}, cellPoint(5));
    QTest::mouseClick(cells->viewport(), Qt::LeftButton, {}, cells->frameRect(1).center());
    QCOMPARE(m_page->currentStep(), 1000);
    QCOMPARE(m_page->followedCell(), -1);
    QCOMPARE(view()->selectedCell(), 5);
}

void TestSamples::cellsAreCutWhereTheyLie()
{
    const ImageSource source{m_dir.filePath(QString::fromStdString(m_samples.back().drawn.grid)), 1, 4, 16};
    const LoadedImage whole = ImageProvider::load(source, {});
    const GridCells expected{4, 2, 16, 16, 16};
    QVERIFY(whole.cells == expected);
    for (int cell : {0, 3, 4, 15}) {
        const LoadedImage cut = ImageProvider::load(source, {0, cell});
        QCOMPARE(cut.image.convertToFormat(QImage::Format_RGB32),
                 whole.image.copy(2 + cell % 4 * 18, 2 + cell / 4 * 18, 16, 16).convertToFormat(QImage::Format_RGB32));
    }
    QVERIFY(ImageProvider::load(source, {0, 16}).image.isNull());
    const QImage thumbnail = ImageProvider::load(source, {40, -1}).image;
    QCOMPARE(std::max(thumbnail.width(), thumbnail.height()), 40);
    QVERIFY(ImageProvider::load(source, {40, -1}).cells == expected); // of the grid, not of the thumbnail
}

void TestSamples::layoutIsWorkedOutWithoutItsText()
{
    QImage grid = fixtures::drawnGrid(5, 2, 8, 1.0, 3).copy(); // copy() keeps the text
    grid.setText(QStringLiteral("espalier.grid"), QString());
    const QString file = m_dir.filePath(QStringLiteral("plain.png"));
    QVERIFY(grid.save(file));
    const GridCells cells = ImageProvider::load({file, 1, 5, 9}, {}).cells;
    QCOMPARE(cells.cellWidth, 8);
    QCOMPARE(cells.cell(5), QRect(2, 12, 8, 8));
    grid.setText(QStringLiteral("espalier.grid"),
                 QStringLiteral("{\"columns\":5,\"padding\":2,\"cell_width\":999,\"cell_height\":8,\"count\":9}"));
    QVERIFY(grid.save(file));
    QVERIFY(!ImageProvider::load({file, 1, 0, 0}, {}).cells.isValid()); // a text that does not fit the picture
}

void TestSamples::exportsGridStripAndCells()
{
    QSignalSpy exported(m_provider.get(), &ImageProvider::exported);
    auto* strip =
        m_page->findChild<QToolButton*>(QStringLiteral("exportSamples"))->menu()->findChild<QAction*>(QStringLiteral("export.strip"));
    QVERIFY(!strip->isEnabled());
    QVERIFY(!strip->toolTip().isEmpty());
    const QString file = m_dir.filePath(QStringLiteral("out.png"));
    m_page->exportGridTo(file);
    QTRY_COMPARE(exported.size(), 1);
    QFile one(file), two(m_dir.filePath(QString::fromStdString(m_samples[16].drawn.grid)));
    QVERIFY(one.open(QIODevice::ReadOnly) && two.open(QIODevice::ReadOnly));
    QCOMPARE(one.readAll(), two.readAll()); // byte for byte: with the settings inside

    m_page->followCell(7);
    QVERIFY(strip->isEnabled());
    m_page->exportCellStripTo(m_dir.filePath(QStringLiteral("strip.png")));
    QTRY_COMPARE(exported.size(), 2);
    QVERIFY(QImage(m_dir.filePath(QStringLiteral("strip.png"))).width() > 9 * 16);
    m_page->exportCellsTo(m_dir.filePath(QStringLiteral("cells")));
    QTRY_COMPARE(exported.size(), 3);
    QCOMPARE(QDir(m_dir.filePath(QStringLiteral("cells"))).entryList(QDir::Files).size(), 9);
    QCOMPARE(QImage(m_dir.filePath(QStringLiteral("cells/cell-8-step-0000500-ema.png"))).size(), QSize(16, 16));
    m_page->exportAllTo(m_dir.filePath(QStringLiteral("all")));
    QTRY_COMPARE(exported.size(), 4);
    QCOMPARE(QDir(m_dir.filePath(QStringLiteral("all"))).entryList(QDir::Files).size(), 9);
    for (const auto& answer : exported)
        QVERIFY(answer[0].toBool());
}

void TestSamples::exportSaysWhatWentWrong()
{
    QSignalSpy exported(m_provider.get(), &ImageProvider::exported);
    m_page->exportGridTo(m_dir.filePath(QStringLiteral("no/such/folder/out.png")));
    QTRY_COMPARE(exported.size(), 1);
    QVERIFY(!exported[0][0].toBool());
    auto* note = m_page->findChild<QLabel*>(QStringLiteral("samplesNote"));
    QVERIFY(note->isVisible());
    QVERIFY2(note->text().contains(QStringLiteral("out.png")), qPrintable(note->text()));
}

void TestSamples::damagedGridsSayTheirName()
{
    QFile broken(m_dir.filePath(QStringLiteral("broken.png")));
    QVERIFY(broken.open(QIODevice::WriteOnly));
    broken.write("this is no picture");
    broken.close();
    std::vector<runs::SampleEntry> samples = m_samples;
    samples[16].drawn.grid = "broken.png";
    m_page->setSamples(m_dir.path(), samples);
    QTRY_VERIFY(!view()->cells().isValid());
    QVERIFY(ImageProvider::load({broken.fileName(), 1, 0, 0}, {}).problem.contains(QStringLiteral("broken.png")));
    QVERIFY(ImageProvider::load({m_dir.filePath("gone.png"), 1, 0, 0}, {}).problem.contains(QStringLiteral("gone")));
}

void TestSamples::aStageStandsBesideTheNext()
{
    m_page->setSamples(m_dir.path(), m_samples); // grids 7 to 9 are of the second stage
    QVERIFY(m_page->hasPair(0));
    QVERIFY(!m_page->hasPair(1));
    auto* pairs = m_page->findChild<QComboBox*>(QStringLiteral("stagePairs"));
    QVERIFY(!pairs->isHidden());
    m_page->setStage(0); // a filter that is in the way goes
    m_page->comparePair(0);
    QCOMPARE(m_page->currentStep(), 4500);
    QVERIFY(!m_page->findChild<GridView*>(QStringLiteral("gridA"))->isHidden());
    QCOMPARE(pairs->currentData().toInt(), 0);
    m_page->setComparing(false);
    QCOMPARE(pairs->currentIndex(), 0);
    m_page->comparePair(5); // nothing of the kind
    QVERIFY(m_page->findChild<GridView*>(QStringLiteral("gridA"))->isHidden());
}

void TestSamples::anotherRunStartsAnew()
{
    m_page->showStep(1000);
    m_page->followCell(3);
    QTemporaryDir other;
    const auto samples = fixtures::writeSamples(other.path(), 3, 2, 2, 8);
    m_page->setSamples(other.path(), samples);
    QCOMPARE(m_page->currentStep(), 1500);
    QCOMPARE(m_page->followedCell(), -1);
    QTRY_COMPARE(view()->cells().columns, 2);
}

void TestSamples::everyControlHasNames()
{
    for (QWidget* widget : m_page->findChildren<QWidget*>()) {
        if (!qobject_cast<QAbstractButton*>(widget) && !qobject_cast<QComboBox*>(widget) && !qobject_cast<QSlider*>(widget) &&
            !qobject_cast<Filmstrip*>(widget) && !qobject_cast<GridView*>(widget))
            continue;
        QVERIFY2(!widget->objectName().isEmpty(), widget->metaObject()->className());
        if (widget->objectName() != QLatin1String("emptyAction"))
            QVERIFY2(!widget->accessibleName().isEmpty(), qPrintable(widget->objectName()));
    }
}

void TestSamples::closingWhileReadingIsSafe()
{
    for (int i = 0; i < 20; ++i) {
        ImageProvider provider;
        SamplesPage page(&provider);
        page.setSamples(m_dir.path(), m_samples);
        page.show();
        if (i % 2)
            QCoreApplication::processEvents();
    }
}

QTEST_MAIN(TestSamples)
#include "tst_samples.moc"
