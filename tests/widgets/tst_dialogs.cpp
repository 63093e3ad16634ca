// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/export_dialog.h"
#include "widgets/foreign_dialog.h"
#include "widgets/fork_dialog.h"
#include "widgets/sample_dialog.h"
#include "widgets/setting_row.h"
#include "widgets/theme.h"

#include <QApplication>
#include <QComboBox>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QSignalSpy>
#include <QTest>

using namespace espalier;
using namespace espalier::widgets;

class TestDialogs : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void initTestCase() { applyTheme(*qApp, Scheme::Light); }
    void sampleStartsFromTheRunAndChecks();
    void samplerStepsHideForAncestralSampling();
    void aRespacedSamplerIsAskedForAndChecked();
    void guidanceAndClassAreAskedWhereTheNetworkKnowsClasses();
    void evaluateAsksForTheNetworkOfFid();
    void requestsBecomeWishesAndArguments();
    void exportNamesItsFile();
    void exportOffersWhatFitsTheModel();
    void foreignCheckpointsAreExplained();
    void foreignUNetsAskForTheirConfiguration();
    void exportWithoutCheckpointsSaysSo();
    void forkFindsAFreeNameAndChecksIt();

private:
    static QPushButton* accept(QDialog& dialog) { return dialog.findChild<QPushButton*>(QStringLiteral("dialogAccept")); }
    static QLineEdit* line(QDialog& dialog, const char* path) { return dialog.findChild<QLineEdit*>(QStringLiteral("editor.") + path); }
    static void choose(QDialog& dialog, const char* path, const char* value)
    {
        auto* box = dialog.findChild<QComboBox*>(QStringLiteral("editor.") + path);
        box->setCurrentIndex(box->findText(QString::fromLatin1(value)));
        Q_EMIT box->textActivated(box->currentText());
    }
};

void TestDialogs::forkFindsAFreeNameAndChecksIt()
{
    ForkDialog dialog(QStringLiteral("garden"), 1, {QStringLiteral("garden"), QStringLiteral("garden-stage-2")});
    QCOMPARE(dialog.request().name, QStringLiteral("garden-stage-2-2"));
    QVERIFY(dialog.request().start);
    QCOMPARE(dialog.request().arguments(), (QStringList{QStringLiteral("--at-stage"), QStringLiteral("1"), QStringLiteral("--name"),
                                                        QStringLiteral("garden-stage-2-2")}));
    auto* name = dialog.findChild<QLineEdit*>(QStringLiteral("forkName"));
    name->setText(QStringLiteral("garden"));
    QVERIFY(!accept(dialog)->isEnabled());
    name->setText(QStringLiteral("a/b"));
    QVERIFY(!accept(dialog)->isEnabled());
    name->setText(QStringLiteral("branch"));
    QVERIFY(accept(dialog)->isEnabled());
}

void TestDialogs::sampleStartsFromTheRunAndChecks()
{
    SampleDialog dialog(Json{{"samples", {{"count", 16}, {"sampler", {{"steps", 25}}}}}}, -1);
    dialog.show();
    QVERIFY(QTest::qWaitForWindowExposed(&dialog));
    QCOMPARE(dialog.request().count, 16);
    QCOMPARE(dialog.request().sampler.steps, 25);
    line(dialog, "samples.count")->selectAll();
    QTest::keyClicks(line(dialog, "samples.count"), QStringLiteral("0"));
    QVERIFY(!accept(dialog)->isEnabled());
    QVERIFY(accept(dialog)->toolTip().contains(QStringLiteral("samples.count")));
    QSignalSpy accepted(&dialog, &QDialog::accepted);
    dialog.accept();
    QCOMPARE(accepted.size(), 0);
    line(dialog, "samples.count")->selectAll();
    QTest::keyClicks(line(dialog, "samples.count"), QStringLiteral("9"));
    line(dialog, "samples.sampler.steps")->selectAll();
    QTest::keyClicks(line(dialog, "samples.sampler.steps"), QStringLiteral("5000"));
    QVERIFY(!accept(dialog)->isEnabled()); // more than the noise levels there are
    line(dialog, "samples.sampler.steps")->selectAll();
    QTest::keyClicks(line(dialog, "samples.sampler.steps"), QStringLiteral("20"));
    QTest::mouseClick(accept(dialog), Qt::LeftButton);
    QCOMPARE(accepted.size(), 1);
    QCOMPARE(dialog.request().count, 9);
    QCOMPARE(dialog.request().sampler.steps, 20);
}

void TestDialogs::samplerStepsHideForAncestralSampling()
{
    SampleDialog dialog(Json::object(), 4000);
    dialog.show();
    QVERIFY(dialog.windowTitle().contains(QStringLiteral("4")));
    QVERIFY(line(dialog, "samples.sampler.steps")->isVisible());
    choose(dialog, "samples.sampler.kind", "ddpm");
    QVERIFY(!line(dialog, "samples.sampler.steps")->isVisible());
    QCOMPARE(dialog.request().step, 4000);
    QCOMPARE(dialog.request().sampler.kind, QStringLiteral("ddpm"));
}

void TestDialogs::aRespacedSamplerIsAskedForAndChecked()
{
    SampleDialog dialog(Json{{"model", {{"num_classes", 10}}}, {"samples", {{"sampler", {{"clip_denoised", false}}}}}}, 4000);
    dialog.show();
    auto* respacing = line(dialog, "samples.sampler.timestep_respacing");
    QVERIFY(respacing->isVisible());
    QVERIFY(dialog.findChild<QWidget*>(QStringLiteral("editor.samples.sampler.clip_denoised"))->isVisible());
    QVERIFY(dialog.findChild<QWidget*>(QStringLiteral("editor.samples.sampler.guidance_channels"))->isVisible());
    QVERIFY(dialog.request().arguments().join(' ').contains(QStringLiteral("--timestep-respacing none --clip-denoised false")));
    QTest::keyClicks(respacing, QStringLiteral("ddim37"));
    QVERIFY(!accept(dialog)->isEnabled());
    QVERIFY(accept(dialog)->toolTip().contains(QStringLiteral("no whole stride")));
    QVERIFY(!line(dialog, "samples.sampler.steps")->isVisible()); // the other says it
    respacing->selectAll();
    QTest::keyClicks(respacing, QStringLiteral("10,15,20"));
    QVERIFY(accept(dialog)->isEnabled());
    choose(dialog, "samples.sampler.guidance_channels", "first-three");
    const auto request = dialog.request();
    QCOMPARE(request.sampler.timestepRespacing, QStringLiteral("10,15,20"));
    QVERIFY(!request.sampler.clipDenoised);
    const QString words = request.arguments().join(QLatin1Char(' '));
    QVERIFY(words.contains(QStringLiteral("--timestep-respacing 10,15,20 --clip-denoised false")));
    QVERIFY(words.contains(QStringLiteral("--guidance-channels first-three")));
    QCOMPARE(request.wishOptions()["sampler"]["timestep_respacing"].get<std::string>(), std::string("10,15,20"));
}

void TestDialogs::guidanceAndClassAreAskedWhereTheNetworkKnowsClasses()
{
    SampleDialog without(Json::object(), 4000);
    without.show();
    QVERIFY(!line(without, "samples.sampler.guidance")->isVisible());
    EvaluateDialog with(Json{{"model", {{"num_classes", 10}}}, {"evaluation", {{"sampler", {{"guidance", 1.5}}}}}}, 4000);
    with.show();
    QVERIFY(line(with, "evaluation.sampler.guidance")->isVisible());
    line(with, "evaluation.sampler.label")->selectAll();
    QTest::keyClicks(line(with, "evaluation.sampler.label"), QStringLiteral("10"));
    QVERIFY(!accept(with)->isEnabled()); // the last class is 9
    line(with, "evaluation.sampler.label")->selectAll();
    QTest::keyClicks(line(with, "evaluation.sampler.label"), QStringLiteral("7"));
    QVERIFY(accept(with)->isEnabled());
    QCOMPARE(with.request().sampler.label, 7);
    const QString words = with.request().arguments().join(QLatin1Char(' '));
    QVERIFY(words.contains(QStringLiteral("--guidance 1.5 --guidance-channels all --label=7")));
    QCOMPARE(with.request().wishOptions()["sampler"]["guidance"].get<double>(), 1.5);
}

void TestDialogs::evaluateAsksForTheNetworkOfFid()
{
    EvaluateDialog dialog(Json::object(), -1);
    dialog.show();
    QVERIFY(accept(dialog)->isEnabled());
    choose(dialog, "evaluation.metric", "fid");
    QVERIFY(!accept(dialog)->isEnabled());
    QVERIFY(dialog.findChild<QLabel*>(QStringLiteral("dialogReason"))->text().contains(QStringLiteral("Inception")) ||
            accept(dialog)->toolTip().contains(QStringLiteral("features")));
    choose(dialog, "evaluation.metric", "fd");
    QVERIFY(accept(dialog)->isEnabled());
    EvaluateDialog ofRun(Json{{"evaluation", {{"metric", "fid"}, {"features", "weights.safetensors"}}}}, -1);
    QVERIFY(accept(ofRun)->isEnabled());
    QVERIFY(ofRun.request().arguments().join(' ').contains(QStringLiteral("--metrics fid --num")));
    QVERIFY(ofRun.request().arguments().join(' ').contains(QStringLiteral("--features weights.safetensors")));
    dialog.setBlocked(QStringLiteral("The run has no checkpoint."));
    QVERIFY(!accept(dialog)->isEnabled());
}

void TestDialogs::requestsBecomeWishesAndArguments()
{
    SampleRequest sample;
    sample.count = 64;
    const Json wish = sample.wishOptions();
    Json whole = Json{{"samples", wish}};
    QVERIFY(config::validate(config::merge(completed(Json{{"training", {{"steps", 1}}}}), whole)).empty()); // names that the trainer knows
    QVERIFY(sample.arguments().join(' ').contains(QStringLiteral("--num 64")));
    EvaluateRequest evaluate;
    QVERIFY(config::validate(config::merge(completed(Json{{"training", {{"steps", 1}}}}), Json{{"evaluation", evaluate.wishOptions()}}))
                .empty());
    QVERIFY(!evaluate.arguments().contains(QStringLiteral("--features"))); // distances on random features need no file
    sample.sampler.kind = QStringLiteral("ddpm");
    QVERIFY(!sample.arguments().contains(QStringLiteral("--steps")));
}

void TestDialogs::exportNamesItsFile()
{
    ExportDialog dialog(QStringLiteral("garden-1"), {1000, 2000, 3000}, 2000, {0.9999, 0.999}, {"safetensors", "pt"},
                        QStringLiteral("/tmp"));
    dialog.show();
    QCOMPARE(dialog.request().step, 2000);
    QCOMPARE(dialog.request().weights, QStringLiteral("ema:0.9999"));
    QCOMPARE(dialog.request().file, QStringLiteral("/tmp/garden-1-step-2000-ema.safetensors"));
    QCOMPARE(dialog.request().arguments(), (QStringList{QStringLiteral("--weights"), QStringLiteral("ema:0.9999"), QStringLiteral("--to"),
                                                        QStringLiteral("safetensors"), QStringLiteral("--out"), dialog.request().file}));
    auto* format = dialog.findChild<QComboBox*>(QStringLiteral("exportFormat"));
    format->setCurrentIndex(1);
    QCOMPARE(dialog.request().file, QStringLiteral("/tmp/garden-1-step-2000-ema.pt"));
    QCOMPARE(dialog.request().format, QStringLiteral("pt"));
    format->setCurrentIndex(0);
    auto* weights = dialog.findChild<QComboBox*>(QStringLiteral("exportWeights"));
    weights->setCurrentIndex(weights->count() - 1);
    QCOMPARE(dialog.request().file, QStringLiteral("/tmp/garden-1-step-2000-raw.safetensors"));
    auto* file = dialog.findChild<QLineEdit*>(QStringLiteral("exportFile"));
    file->selectAll();
    QTest::keyClicks(file, QStringLiteral("mine.safetensors"));
    weights->setCurrentIndex(0);
    QCOMPARE(dialog.request().file, QStringLiteral("mine.safetensors")); // what was typed stays
    file->selectAll();
    QTest::keyClick(file, Qt::Key_Delete);
    QVERIFY(!accept(dialog)->isEnabled());
}

void TestDialogs::exportOffersWhatFitsTheModel()
{
    ExportDialog dialog(QStringLiteral("garden-1"), {2000}, 2000, {}, {"safetensors", "pt", "dit", "diffusers"}, QStringLiteral("/tmp"));
    dialog.show();
    auto* format = dialog.findChild<QComboBox*>(QStringLiteral("exportFormat"));
    QCOMPARE(format->count(), 4);
    QCOMPARE(format->findData(QStringLiteral("timm")), -1);
    format->setCurrentIndex(format->findData(QStringLiteral("dit")));
    QCOMPARE(dialog.request().file, QStringLiteral("/tmp/garden-1-step-2000-raw.pt"));
    format->setCurrentIndex(format->findData(QStringLiteral("diffusers")));
    QCOMPARE(dialog.request().file, QStringLiteral("/tmp/garden-1-step-2000-raw-diffusers"));
    QCOMPARE(dialog.request().format, QStringLiteral("diffusers"));
    auto* file = dialog.findChild<QLineEdit*>(QStringLiteral("exportFile"));
    file->selectAll();
    QTest::keyClicks(file, QStringLiteral("/tmp/folder/"));
    QVERIFY(accept(dialog)->isEnabled()); // a folder is meant
    format->setCurrentIndex(0);
    QVERIFY(!accept(dialog)->isEnabled());
}

namespace {

Json saidOf(const char* kind, const char* name)
{
    return {{"kind", "pytorch"},
            {"layout", ""},
            {"weights", {"ema", "raw"}},
            {"model",
             {{"kind", kind},
              {"name", name},
              {"classes", 10},
              {"channels", 3},
              {"parameters", 1234567},
              {"shape", {{"model", {{"kind", kind}}}}}}}};
}

} // namespace

void TestDialogs::foreignCheckpointsAreExplained()
{
    auto said = saidOf("dit", "DiT-S/2 at 32²");
    said["settings"] = {{"model", {{"kind", "dit"}}}};
    ForeignDialog dialog(QStringLiteral("/tmp/0400000.pt"), said, QStringLiteral("/tmp/samples"));
    dialog.show();
    QCOMPARE(dialog.findChild<QLabel*>(QStringLiteral("foreignModel"))->text(), QStringLiteral("DiT-S/2 at 32²"));
    QVERIFY(dialog.findChild<QLabel*>(QStringLiteral("foreignWeights"))->text().contains(QStringLiteral("EMA")));
    auto* sample = dialog.findChild<QPushButton*>(QStringLiteral("foreignSample"));
    QVERIFY(sample->isEnabled());
    QSignalSpy asked(&dialog, &ForeignDialog::sampleRequested);
    sample->click();
    QCOMPARE(asked.count(), 1);
    auto* folder = dialog.findChild<QLineEdit*>(QStringLiteral("foreignImages"));
    folder->clear();
    QVERIFY(!sample->isEnabled() && !sample->toolTip().isEmpty());
    QSignalSpy tuned(&dialog, &ForeignDialog::tuneRequested);
    dialog.findChild<QPushButton*>(QStringLiteral("foreignTune"))->click();
    QCOMPARE(tuned.count(), 1);
    QCOMPARE(dialog.settingsToTune()["init"]["from"], "/tmp/0400000.pt");
    QCOMPARE(dialog.settingsToTune()["model"]["kind"], "dit");
}

void TestDialogs::foreignUNetsAskForTheirConfiguration()
{
    auto said = saidOf("unet", "U-Net 128·1,2,2,2");
    said["settings"] = nullptr;
    said["settings_problem"] = "cifar10_2040.pt holds a U-Net, and such files do not say how noise was added.";
    ForeignDialog dialog(QStringLiteral("/tmp/cifar10_2040.pt"), said, QStringLiteral("/tmp/samples"));
    dialog.show();
    auto* sample = dialog.findChild<QPushButton*>(QStringLiteral("foreignSample"));
    QVERIFY(!sample->isEnabled());
    QVERIFY(sample->toolTip().contains(QStringLiteral("noise")));
    QVERIFY(dialog.findChild<QPushButton*>(QStringLiteral("foreignSettings"))->isVisible());
    dialog.setSettings(Json{{"diffusion", {{"timesteps", 1000}}}}, QStringLiteral("/tmp/cifar10.json"), {});
    QVERIFY(sample->isEnabled());
    QCOMPARE(dialog.settingsFile(), QStringLiteral("/tmp/cifar10.json"));
    dialog.setSettings(Json(), QStringLiteral("/tmp/x.json"), QStringLiteral("/tmp/x.json is no configuration."));
    QVERIFY(!sample->isEnabled());
    QVERIFY(sample->toolTip().contains(QStringLiteral("no configuration")));
}

void TestDialogs::exportWithoutCheckpointsSaysSo()
{
    ExportDialog dialog(QStringLiteral("garden-1"), {}, -1, {0.9999}, {"safetensors"}, QStringLiteral("/tmp"));
    dialog.show();
    QVERIFY(!accept(dialog)->isEnabled());
    QVERIFY(!accept(dialog)->toolTip().isEmpty());
}

QTEST_MAIN(TestDialogs)
#include "tst_dialogs.moc"
