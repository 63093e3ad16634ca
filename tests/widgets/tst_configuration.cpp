// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/configuration_form.h"
#include "widgets/configuration_page.h"
#include "widgets/preset_strip.h"
#include "widgets/problem_list.h"
#include "widgets/setting_row.h"
#include "widgets/setting_text.h"
#include "widgets/theme.h"

#include <QApplication>
#include <QCheckBox>
#include <QClipboard>
#include <QComboBox>
#include <QElapsedTimer>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QSignalSpy>
#include <QTest>
#include <QToolButton>

#include <memory>

using namespace espalier;
using namespace espalier::widgets;

class TestConfiguration : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void thePlanSaysWhatItKnows();
    void initTestCase();
    void init();
    void cleanup();

    void everySettingHasARowWithAccessibleEditor();
    void typingChangesTheConfiguration();
    void wrongTextIsSaidAtTheFieldInTheListAndAtStart();
    void clickOnAProblemLeadsToItsField();
    void undoTakesBackOneFieldAtATime();
    void revertGoesBackToThePreset();
    void searchFindsByNameHelpAndUnit();
    void advancedSettingsHideUntilAsked();
    void whatTheModelHasNoUseForIsHidden();
    void listsAndSwitchesAndChoicesAreEdited();
    void numbersReadBackAsShown_data();
    void numbersReadBackAsShown();
    void planSaysTheBatch();
    void commandLineNamesWhatDiffersFromThePreset();
    void nameIsChecked();
    void existingRunIsReadOnlyAndComparable();
    void importSaysWhatIsWrong();
    void importTakesPublishedNames();
    void everyControlHasNames();
    void searchingMakesNoRows();

private:
    QLineEdit* line(const char* path) const
    {
        auto* alone = m_page->findChild<QLineEdit*>(QStringLiteral("editor.") + path);
        return alone != nullptr ? alone : m_page->findChild<QLineEdit*>(QStringLiteral("line.") + path); // one with a button beside it
    }
    void type(const char* path, const QString& text);
    QPushButton* startButton() const { return m_page->findChild<QPushButton*>(QStringLiteral("startRun")); }
    const config::Field& field(const char* path) const { return *config::findField(path); }

    std::unique_ptr<ConfigurationPage> m_page;
};

void TestConfiguration::initTestCase()
{
    applyTheme(*qApp, Scheme::Light);
}

void TestConfiguration::init()
{
    m_page = std::make_unique<ConfigurationPage>();
    m_page->resize(980, 640);
    m_page->editNew(Json::object(), QStringLiteral("demo"));
    m_page->show();
    QVERIFY(QTest::qWaitForWindowExposed(m_page.get()));
}

void TestConfiguration::cleanup()
{
    m_page.reset();
}

void TestConfiguration::type(const char* path, const QString& text)
{
    QLineEdit* edit = line(path);
    QVERIFY2(edit, path);
    m_page->form()->reveal(path);
    edit->selectAll();
    QGuiApplication::clipboard()->setText(text); // QTest has no key for a thin space
    edit->paste();
}

void TestConfiguration::everySettingHasARowWithAccessibleEditor()
{
    for (const config::Field& field : config::fields()) {
        if (!m_page->model()->isApplicable(field))
            continue;
        SettingRow* row = m_page->form()->row(plainPath(field.path));
        QVERIFY2(row, field.path.c_str());
        auto* editor = row->findChild<QWidget*>(QStringLiteral("editor.") + QString::fromStdString(plainPath(field.path)));
        QVERIFY2(editor, field.path.c_str());
        QVERIFY(!editor->accessibleName().isEmpty());
        QCOMPARE(editor->accessibleDescription(), QString::fromStdString(field.help));
    }
}

void TestConfiguration::typingChangesTheConfiguration()
{
    type("training.steps", QStringLiteral("12345"));
    QVERIFY(m_page->model()->config()["training"]["steps"] == Json(12345));
    QCOMPARE(line("training.steps")->text(), QStringLiteral("12345")); // not reformatted under the cursor
    QTest::keyClick(line("training.steps"), Qt::Key_Return);
    QCOMPARE(line("training.steps")->text(), groupedText(12345));
    QVERIFY(m_page->whyNotStart().isEmpty());
    QSignalSpy started(m_page.get(), &ConfigurationPage::startRequested);
    QTest::mouseClick(startButton(), Qt::LeftButton);
    QCOMPARE(started.size(), 1);
    QVERIFY(started[0][0].value<Json>()["training"]["steps"] == Json(12345));
    QCOMPARE(started[0][1].toString(), QStringLiteral("demo"));
}

void TestConfiguration::wrongTextIsSaidAtTheFieldInTheListAndAtStart()
{
    for (const QString& wrong : {QStringLiteral("many"), QStringLiteral("-5"), QStringLiteral("1.5"), QStringLiteral("9e99"), QString()}) {
        QLineEdit* edit = line("training.batch_size");
        edit->selectAll();
        if (wrong.isEmpty())
            QTest::keyClick(edit, Qt::Key_Delete);
        else
            QTest::keyClicks(edit, wrong);
        auto* said = m_page->findChild<QLabel*>(QStringLiteral("problem.training.batch_size"));
        QVERIFY2(said->isVisible(), qPrintable(wrong));
        QVERIFY2(said->text().contains(QStringLiteral("training.batch_size")), qPrintable(said->text()));
        QVERIFY(m_page->findChild<QPushButton*>(QStringLiteral("goto.training.batch_size")));
        QVERIFY(!startButton()->isEnabled());
        QVERIFY(!startButton()->toolTip().isEmpty());
        QCOMPARE(m_page->findChild<QLabel*>(QStringLiteral("startReason"))->text(), m_page->whyNotStart());
    }
    type("training.batch_size", QStringLiteral("64"));
    QVERIFY(startButton()->isEnabled());
    QVERIFY(!m_page->findChild<ProblemList*>()->isVisible());
}

void TestConfiguration::clickOnAProblemLeadsToItsField()
{
    type("training.beta2", QStringLiteral("7")); // an advanced setting
    m_page->findChild<QLineEdit*>(QStringLiteral("settingSearch"))->setText(QStringLiteral("sampler"));
    QVERIFY(!line("training.beta2")->isVisible());
    auto* link = m_page->findChild<QPushButton*>(QStringLiteral("goto.training.beta2"));
    QVERIFY(link);
    QTest::mouseClick(link, Qt::LeftButton);
    QVERIFY(line("training.beta2")->isVisible());
    QTRY_VERIFY(line("training.beta2")->visibleRegion().boundingRect().height() > 0);
    QCOMPARE(QApplication::focusWidget(), line("training.beta2"));
}

void TestConfiguration::undoTakesBackOneFieldAtATime()
{
    const Json before = m_page->model()->config();
    type("training.steps", QStringLiteral("777"));
    QTest::keyClick(line("training.steps"), Qt::Key_Return);
    type("training.batch_size", QStringLiteral("96"));
    QTest::keyClick(line("training.batch_size"), Qt::Key_Return);
    auto* undo = m_page->findChild<QToolButton*>(QStringLiteral("undo"));
    QTest::mouseClick(undo, Qt::LeftButton);
    QVERIFY(m_page->model()->config()["training"]["steps"] == Json(777));
    QVERIFY(m_page->model()->config()["training"]["batch_size"] == before["training"]["batch_size"]);
    QTest::mouseClick(undo, Qt::LeftButton);
    QVERIFY(m_page->model()->config() == before);
    QVERIFY(!undo->isEnabled());
    auto* redo = m_page->findChild<QToolButton*>(QStringLiteral("redo"));
    QTest::mouseClick(redo, Qt::LeftButton);
    QCOMPARE(line("training.steps")->text(), QStringLiteral("777"));
}

void TestConfiguration::revertGoesBackToThePreset()
{
    const Json given = *valueAt(m_page->model()->config(), "training.batch_size");
    auto* revert = m_page->findChild<QToolButton*>(QStringLiteral("revert.training.batch_size"));
    QVERIFY(!revert->isVisible());
    type("training.batch_size", QStringLiteral("999"));
    QCOMPARE(m_page->model()->origin(field("training.batch_size")), ConfigurationModel::Origin::Changed);
    QVERIFY(revert->isVisible());
    QTest::mouseClick(revert, Qt::LeftButton);
    QVERIFY(m_page->model()->config()["training"]["batch_size"] == given);
    QVERIFY(!revert->isVisible());
}

void TestConfiguration::searchFindsByNameHelpAndUnit()
{
    auto* search = m_page->findChild<QLineEdit*>(QStringLiteral("settingSearch"));
    QTest::keyClicks(search, QStringLiteral("learning_rate"));
    QVERIFY(line("training.learning_rate")->isVisible());
    QVERIFY(!line("training.steps")->isVisible());
    search->clear();
    QTest::keyClicks(search, QStringLiteral("moment decay"));
    QVERIFY(line("training.beta1")->isVisible()); // advanced, by its help
    search->clear();
    QTest::keyClicks(search, QStringLiteral("no such setting at all"));
    QCOMPARE(m_page->form()->visibleRowCount(), 0);
    QVERIFY(m_page->findChild<QLabel*>(QStringLiteral("nothingMatches"))->isVisible());
}

void TestConfiguration::advancedSettingsHideUntilAsked()
{
    const int basic = m_page->form()->visibleRowCount();
    QVERIFY(!line("training.momentum")->isVisible());
    QTest::mouseClick(m_page->findChild<QPushButton*>(QStringLiteral("showAdvanced")), Qt::LeftButton);
    QVERIFY(line("training.momentum")->isVisible());
    QVERIFY(m_page->form()->visibleRowCount() > basic);
}

void TestConfiguration::whatTheModelHasNoUseForIsHidden()
{
    QTest::mouseClick(m_page->findChild<QPushButton*>(QStringLiteral("showAdvanced")), Qt::LeftButton);
    QVERIFY(line("samples.count")->isVisible());
    QVERIFY(!line("data.augment.mixup")->isVisible());
    m_page->model()->applyPreset(*config::findPreset("vit-garden"));
    QVERIFY(!line("samples.count")->isVisible()); // a classifier draws nothing
    QVERIFY(!line("diffusion.timesteps")->isVisible());
    QVERIFY(line("data.augment.mixup")->isVisible());
    QVERIFY(line("evaluation.images")->isVisible());
}

void TestConfiguration::listsAndSwitchesAndChoicesAreEdited()
{
    type("model.ch_multipliers", QStringLiteral("1, 2, 4"));
    QVERIFY(m_page->model()->config()["model"]["ch_multipliers"] == Json({1, 2, 4}));
    type("model.apply_attn", QStringLiteral("no, yes, off"));
    QVERIFY(m_page->model()->config()["model"]["apply_attn"] == Json({false, true, false}));
    auto* flip = m_page->findChild<QCheckBox*>(QStringLiteral("editor.data.flip"));
    const bool was = flip->isChecked();
    m_page->form()->reveal("data.flip");
    QTest::keyClick(flip, Qt::Key_Space);
    QVERIFY(m_page->model()->config()["data"]["flip"] == Json(!was));
    auto* source = m_page->findChild<QComboBox*>(QStringLiteral("editor.data.source"));
    m_page->form()->reveal("data.source");
    QTest::keyClick(source, Qt::Key_Down);
    QVERIFY(m_page->model()->config()["data"]["source"] == Json(source->currentText().toStdString()));
    QVERIFY(source->currentText() != QStringLiteral("garden"));
}

void TestConfiguration::numbersReadBackAsShown_data()
{
    QTest::addColumn<QString>("typed");
    QTest::addColumn<QString>("json");
    QTest::newRow("thin spaces") << groupedText(1234567) << "1234567";
    QTest::newRow("plain spaces") << "50 000" << "50000";
    QTest::newRow("exponent") << "5e4" << "50000";
}

void TestConfiguration::numbersReadBackAsShown()
{
    QFETCH(QString, typed);
    QFETCH(QString, json);
    type("training.steps", typed);
    QCOMPARE(m_page->model()->config()["training"]["steps"].dump(), json.toStdString());
}

void TestConfiguration::planSaysTheBatch()
{
    type("training.batch_size", QStringLiteral("128"));
    type("training.micro_batch", QStringLiteral("32"));
    type("devices", QStringLiteral("0,1"));
    auto* batch = m_page->findChild<QLabel*>(QStringLiteral("plan.Batch"));
    QVERIFY(batch);
    QCOMPARE(batch->text(), QStringLiteral("128 = 2 devices × 32 × 2 accumulations"));
    type("training.micro_batch", QStringLiteral("31"));
    QVERIFY(!startButton()->isEnabled() || m_page->findChild<QLabel*>(QStringLiteral("plan.Batch"))->text().contains("micro_batch"));
    QCOMPARE(scientificText(2e-4), QStringLiteral("2.0 × 10⁻⁴"));
    QCOMPARE(scientificText(0.05), QStringLiteral("0.05"));
}

void TestConfiguration::commandLineNamesWhatDiffersFromThePreset()
{
    QCOMPARE(m_page->commandLine(), QStringLiteral("espalier-cli train --preset demo"));
    type("training.steps", QStringLiteral("81"));
    type("model.ch_multipliers", QStringLiteral("1,2"));
    QTest::mouseClick(m_page->findChild<QPushButton*>(QStringLiteral("copyCommandLine")), Qt::LeftButton);
    const QString copied = QGuiApplication::clipboard()->text();
    QVERIFY2(copied.contains(QStringLiteral("--preset demo")) && copied.contains(QStringLiteral("--set training.steps=81")) &&
                 copied.contains(QStringLiteral("--set 'model.ch_multipliers=[1,2]'")),
             qPrintable(copied));
}

void TestConfiguration::nameIsChecked()
{
    auto* name = m_page->findChild<QLineEdit*>(QStringLiteral("runName"));
    m_page->setTakenNames({QStringLiteral("taken")});
    for (const char* wrong : {"", "taken", "a/b", ".hidden", "spa ce"}) {
        name->setText(QString::fromLatin1(wrong));
        QVERIFY2(!startButton()->isEnabled(), wrong);
    }
    name->setText(QStringLiteral("fresh-1"));
    QVERIFY(startButton()->isEnabled());
    m_page->setStartBlocked(QStringLiteral("The disk is full."));
    QVERIFY(!startButton()->isEnabled());
    QCOMPARE(startButton()->toolTip(), QStringLiteral("The disk is full."));
}

void TestConfiguration::existingRunIsReadOnlyAndComparable()
{
    Json config = completed(config::findPreset("garden").value().overlay);
    m_page->showRun(QStringLiteral("garden-1"), config);
    m_page->setComparable({{QStringLiteral("run-7"), QStringLiteral("cifar-speed")}});
    QVERIFY(!startButton()->isVisible());
    QVERIFY(!line("training.steps")->isVisible());
    QVERIFY(m_page->findChild<QLabel*>(QStringLiteral("value.training.steps"))->isVisible());
    QSignalSpy asked(m_page.get(), &ConfigurationPage::comparisonRequested);
    auto* compare = m_page->findChild<QComboBox*>(QStringLiteral("compareWith"));
    compare->setCurrentIndex(compare->findText(QStringLiteral("cifar-speed")));
    Q_EMIT compare->activated(compare->currentIndex());
    QCOMPARE(asked.size(), 1);
    Json other = config;
    other["training"]["steps"] = 424242;
    m_page->setComparison(QStringLiteral("run-7"), other);
    QCOMPARE(m_page->form()->visibleRowCount(), 1);
    QCOMPARE(m_page->findChild<QLabel*>(QStringLiteral("compared.training.steps"))->text(), groupedText(424242));
    QSignalSpy duplicated(m_page.get(), &ConfigurationPage::duplicateRequested);
    QTest::mouseClick(m_page->findChild<QPushButton*>(QStringLiteral("duplicateAsNew")), Qt::LeftButton);
    QCOMPARE(duplicated.size(), 1);
}

void TestConfiguration::importSaysWhatIsWrong()
{
    const Json before = m_page->model()->config();
    m_page->importText(QStringLiteral("{\"no_such_group\": {\"x\": 1}}"), QStringLiteral("broken.json"));
    QVERIFY(m_page->findChild<ProblemList*>()->isVisible());
    QVERIFY(m_page->model()->config() == before);
    m_page->importText(QStringLiteral("{ not json"), QStringLiteral("broken.json"));
    QVERIFY(m_page->model()->config() == before);
}

void TestConfiguration::importTakesPublishedNames()
{
    m_page->importText(QStringLiteral("{\"training\": {\"steps\": 31, \"batch_size\": 8}}"), QStringLiteral("mine.json"));
    QVERIFY(m_page->model()->config()["training"]["steps"] == Json(31));
    QTest::mouseClick(m_page->findChild<QToolButton*>(QStringLiteral("undo")), Qt::LeftButton);
    QVERIFY(m_page->model()->config()["training"]["steps"] != Json(31));
}

void TestConfiguration::everyControlHasNames()
{
    for (QWidget* widget : m_page->findChildren<QWidget*>()) {
        if (!qobject_cast<QAbstractButton*>(widget) && !qobject_cast<QLineEdit*>(widget) && !qobject_cast<QComboBox*>(widget))
            continue;
        if (widget->objectName().startsWith(QLatin1String("qt_")) || qobject_cast<QComboBox*>(widget->parentWidget()) ||
            qobject_cast<QLineEdit*>(widget->parentWidget()))
            continue;
        QVERIFY2(!widget->objectName().isEmpty(), widget->metaObject()->className());
        QVERIFY2(!widget->accessibleName().isEmpty(), qPrintable(widget->objectName()));
    }
}

void TestConfiguration::searchingMakesNoRows()
{
    // What keeps a form of hundreds of settings fast: rows are made once, and a search only hides them.
    const auto before = m_page->findChildren<QWidget*>();
    auto* search = m_page->findChild<QLineEdit*>(QStringLiteral("settingSearch"));
    QElapsedTimer timer;
    timer.start();
    for (int i = 0; i < 10; ++i) {
        search->setText(QStringLiteral("ste"));
        QCoreApplication::processEvents();
        search->clear();
        QCoreApplication::processEvents();
    }
    qInfo("%.1f ms a filter", static_cast<double>(timer.elapsed()) / 20.0);
    QCOMPARE(m_page->findChildren<QWidget*>(), before);
}

void TestConfiguration::thePlanSaysWhatItKnows()
{
    const auto lineOf = [](const std::vector<PlanLine>& lines, const char* title) {
        const auto at = std::find_if(lines.begin(), lines.end(), [&](const auto& line) { return line.title == QLatin1String(title); });
        return at == lines.end() ? PlanLine{} : *at;
    };
    Json config = config::findPreset("demo")->overlay;
    config["training"]["steps"] = 1000;
    config["training"]["seconds"] = 0;
    config["training"]["batch_size"] = 32;
    const MachineFacts machine{0, QStringLiteral("a CPU"), 64'000'000'000ull, 0};
    auto lines = planSummary(config, machine);
    QVERIFY(lineOf(lines, "Time").text.contains(QStringLiteral("known after the first steps")));
    QVERIFY(lineOf(lines, "Model").text.contains(QStringLiteral("parameters")));
    QVERIFY(lineOf(lines, "Memory").text.contains(QStringLiteral("of 64")));
    QVERIFY(!lineOf(lines, "Memory").wrong);
    lines = planSummary(config, machine, Pace{64.0, QStringLiteral("rose")});
    QVERIFY2(lineOf(lines, "Time").text.startsWith(QStringLiteral("about 8 m 20 s, ")), qPrintable(lineOf(lines, "Time").text));
    QVERIFY(lineOf(lines, "Time").text.contains(QStringLiteral("rose")));
    config["training"]["seconds"] = 100;
    lines = planSummary(config, machine, Pace{64.0, QStringLiteral("rose")});
    QVERIFY2(lineOf(lines, "Time").text.contains(QStringLiteral("about 200 steps")), qPrintable(lineOf(lines, "Time").text));
    lines = planSummary(config, {0, {}, 1'000'000, 0});
    QVERIFY(lineOf(lines, "Memory").wrong);
    config["training"]["batch_size"] = "many";
    QVERIFY(planSummary(config, machine).empty());
}

QTEST_MAIN(TestConfiguration)
#include "tst_configuration.moc"
