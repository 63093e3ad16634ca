// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/main_window.h"
#include "app/gui/run_controller.h"
#include "app/gui/run_page.h"
#include "widgets/configuration_form.h"
#include "widgets/configuration_page.h"
#include "widgets/evaluation_page.h"
#include "widgets/library_model.h"
#include "widgets/scheme_watcher.h"
#include "widgets/theme.h"

#include <QApplication>
#include <QCommandLineParser>
#include <QElapsedTimer>
#include <QSettings>
#include <QTimer>

#include <cstdio>
#include <optional>

using namespace espalier;

namespace {

struct Options {
    std::filesystem::path library;
    QString screenshot, run, page, preset, reveal;
    QSize size{1280, 800};
    std::optional<widgets::Scheme> scheme;
    int waitMs = 1200;
    bool timing = false;
};

/// `--scale` has to be known before the application is made.
void applyScale(int argc, char** argv)
{
    for (int i = 1; i + 1 < argc; ++i)
        if (std::string_view(argv[i]) == "--scale")
            qputenv("QT_SCALE_FACTOR", argv[i + 1]);
}

Options readOptions(const QApplication& app)
{
    QCommandLineParser parser;
    parser.setApplicationDescription(QStringLiteral("Configures, launches and watches the training of image models."));
    parser.addHelpOption();
    parser.addVersionOption();
    parser.addOption({QStringLiteral("library"), QStringLiteral("Folder of runs to open."), QStringLiteral("folder")});
    parser.addOption({QStringLiteral("theme"), QStringLiteral("light or dark; otherwise as the system."), QStringLiteral("name")});
    const auto hidden = [&](const char* name, const char* value) {
        QCommandLineOption option(QString::fromLatin1(name), {}, QString::fromLatin1(value));
        option.setFlags(QCommandLineOption::HiddenFromHelp);
        parser.addOption(option);
    };
    for (const auto& [name, value] : {std::pair{"screenshot", "file"}, std::pair{"size", "WxH"}, std::pair{"scale", "factor"},
                                      std::pair{"run", "name"}, std::pair{"page", "name"}, std::pair{"new", "preset"},
                                      std::pair{"reveal", "setting"}, std::pair{"wait", "ms"}, std::pair{"timing", ""}})
        hidden(name, value);
    parser.process(app);
    Options options;
    options.library = parser.value(QStringLiteral("library")).toStdString();
    options.screenshot = parser.value(QStringLiteral("screenshot"));
    options.run = parser.value(QStringLiteral("run"));
    options.page = parser.value(QStringLiteral("page"));
    options.preset = parser.value(QStringLiteral("new"));
    options.reveal = parser.value(QStringLiteral("reveal"));
    options.timing = parser.isSet(QStringLiteral("timing"));
    if (parser.isSet(QStringLiteral("wait")))
        options.waitMs = parser.value(QStringLiteral("wait")).toInt();
    if (const auto parts = parser.value(QStringLiteral("size")).split(QLatin1Char('x')); parts.size() == 2)
        options.size = {parts[0].toInt(), parts[1].toInt()};
    if (const QString theme = parser.value(QStringLiteral("theme")); !theme.isEmpty())
        options.scheme = theme == QLatin1String("dark") ? widgets::Scheme::Dark : widgets::Scheme::Light;
    return options;
}

void showPageOf(gui::MainWindow& window, const Options& options)
{
    for (int i = 0; i < gui::RunPage::kPages; ++i)
        if (gui::RunPage::pageId(static_cast<gui::RunPage::Page>(i)) == options.page)
            window.runPage()->showPage(static_cast<gui::RunPage::Page>(i));
    if (options.page == QLatin1String("stages")) { // the other view of the evaluation
        window.runPage()->showPage(gui::RunPage::Evaluation);
        window.runPage()->evaluation()->showByStage(true);
    }
}

void arrangeForPicture(gui::MainWindow& window, const Options& options)
{
    if (!options.run.isEmpty())
        for (const auto& run : window.library()->runs())
            if (widgets::qstr(run.name) == options.run)
                window.openRun(run.folder);
    if (!options.preset.isEmpty())
        window.newRun(options.preset);
    showPageOf(window, options);
    if (!options.reveal.isEmpty())
        window.runPage()->configuration()->form()->reveal(options.reveal.toStdString());
}

} // namespace

int main(int argc, char** argv)
{
    QElapsedTimer sinceStart;
    sinceStart.start();
    applyScale(argc, argv);
    QApplication app(argc, argv);
    QApplication::setOrganizationName(QStringLiteral("espalier"));
    QApplication::setApplicationName(QStringLiteral("espalier"));
    QApplication::setApplicationDisplayName(QStringLiteral("Espalier"));
    QApplication::setApplicationVersion(QStringLiteral(ESPALIER_VERSION));
    QApplication::setDesktopFileName(QStringLiteral("espalier"));
    const auto options = readOptions(app);

    widgets::applyTheme(app, options.scheme.value_or(widgets::schemeOf(app.palette())));
    std::optional<widgets::SchemeWatcher> watcher;
    if (!options.scheme) {
        watcher.emplace();
        QObject::connect(&*watcher, &widgets::SchemeWatcher::schemeChanged, &app,
                         [&app](widgets::Scheme scheme) { widgets::applyTheme(app, scheme); });
    }

    gui::RunController controller(gui::findCli());
    gui::MainWindow window(&controller, options.library);
    if (!options.screenshot.isEmpty()) {
        window.resize(options.size);
        QObject::connect(&window, &gui::MainWindow::libraryShown, &window, [&] {
            arrangeForPicture(window, options);
            QTimer::singleShot(options.waitMs / 2, &window, [&] { showPageOf(window, options); }); // some pages come with the run
            QTimer::singleShot(options.waitMs, &window, [&] {
                const bool saved = window.grab().save(options.screenshot);
                QCoreApplication::exit(saved ? 0 : 1);
            });
        });
    }
    if (options.timing)
        QObject::connect(&window, &gui::MainWindow::libraryShown, &window, [&] {
            QTimer::singleShot(0, &window, [&] { // after the paint that was queued
                std::printf("library shown after %lld ms\n", static_cast<long long>(sinceStart.elapsed()));
                std::fflush(stdout);
            });
        });
    window.show();
    return QApplication::exec();
}
