// SPDX-License-Identifier: GPL-3.0-or-later
// bench_window start [--espalier FILE] | zoom [--size WxH] [--scale S] [--points N] | latency | idle [--seconds N]
// What a person waits for in the real window, offscreen, as one JSON line: times in seconds, wall clock and CPU.
//   start    from the start of the program to a painted library of 200 runs, median of 7
//   zoom     a frame of turning the wheel over N points, from the turn to the painted window
//   latency  from a scalar in its file to its paint on the screen, worst of 20
//   idle     share of one core that the window takes beside 200 runs at rest and one that trains
#include "app/gui/main_window.h"
#include "app/gui/run_controller.h"
#include "app/gui/run_page.h"
#include "core/base/json.h"
#include "core/runs/lease.h"
#include "core/runs/lock.h"
#include "core/runs/scalars.h"
#include "tests/widgets/fake_library.h"
#include "widgets/library_model.h"
#include "widgets/plot_view.h"
#include "widgets/theme.h"
#include "widgets/watch_page.h"

#include <QApplication>
#include <QElapsedTimer>
#include <QProcess>
#include <QSettings>
#include <QTemporaryDir>
#include <QTimer>
#include <QWheelEvent>

#include <algorithm>
#include <cstdio>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <memory>
#include <numeric>
#include <string>
#include <sys/resource.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

using namespace espalier;
namespace fs = std::filesystem;
using namespace std::chrono_literals;

struct Options {
    std::string what, espalier;
    int width = 1280, height = 800, seconds = 20;
    double scale = 1.0;
    std::int64_t points = 10'000'000;
};

double cpuSeconds(int who)
{
    rusage used{};
    ::getrusage(who, &used);
    return static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           1e-6 * static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

double at(std::vector<double> values, double share)
{
    if (values.empty())
        return -1.0;
    std::sort(values.begin(), values.end());
    return values[static_cast<std::size_t>(share * static_cast<double>(values.size() - 1) + 0.5)];
}

/// Counts the paints of a widget and calls back at each.
class PaintWatch : public QObject {
public:
    PaintWatch(QWidget* widget, std::function<void()> painted) : QObject(widget), m_painted(std::move(painted))
    {
        widget->installEventFilter(this);
    }
    int count = 0;

private:
    bool eventFilter(QObject*, QEvent* event) override
    {
        if (event->type() == QEvent::Paint) {
            ++count;
            if (m_painted)
                m_painted();
        }
        return false;
    }
    std::function<void()> m_painted;
};

bool waitUntil(const std::function<bool()>& holds, int milliseconds)
{
    QElapsedTimer clock;
    clock.start();
    while (!holds()) {
        if (clock.elapsed() > milliseconds)
            return false;
        QCoreApplication::processEvents(QEventLoop::AllEvents, 5);
        if (!holds())
            std::this_thread::sleep_for(200us);
    }
    return true;
}

void makeLibrary(const fs::path& library)
{
    for (int i = 0; i < 200; ++i)
        testing::makeRun(library, {.name = "run-" + std::to_string(i),
                                   .state = i % 3 == 0 ? runs::RunState::Finished : runs::RunState::Stopped,
                                   .step = 4000,
                                   .pointEvery = 2,
                                   .grids = 1,
                                   .seed = i,
                                   .pictures = false});
}

/// A window over a library, and the curve of the run that it opened by itself.
struct Shown {
    explicit Shown(const fs::path& library, const Options& options) : controller("/no/such/program"), window(&controller, library)
    {
        window.resize(options.width, options.height);
        window.show();
        plot = window.findChild<widgets::PlotView*>(QStringLiteral("curvePlot"));
        ready = waitUntil([&] { return plot->graphCount() == 2 && plot->graph(0)->dataCount() > 50; }, 120'000);
    }
    gui::RunController controller;
    gui::MainWindow window;
    widgets::PlotView* plot;
    bool ready;
};

Json start(const Options& options, const fs::path& library)
{
    makeLibrary(library);
    std::vector<double> seconds;
    for (int i = 0; i < 7; ++i) {
        QProcess program;
        QElapsedTimer clock;
        clock.start();
        program.start(QString::fromStdString(options.espalier),
                      {QStringLiteral("--library"), QString::fromStdString(library.string()), QStringLiteral("--timing")});
        if (!program.waitForReadyRead(20'000))
            return {{"error", program.errorString().toStdString()}};
        seconds.push_back(static_cast<double>(clock.nsecsElapsed()) * 1e-9);
        program.kill();
        program.waitForFinished();
    }
    return {{"seconds", at(seconds, 0.5)}, {"worst", at(seconds, 1.0)}, {"target", 0.5}};
}

void turnWheel(widgets::PlotView* plot, double place, int angle)
{
    const QPointF position(60 + place * (plot->width() - 100), plot->height() / 2.0);
    QWheelEvent event(position, plot->mapToGlobal(position), {}, {0, angle}, Qt::NoButton, Qt::NoModifier, Qt::NoScrollPhase, false);
    QApplication::sendEvent(plot, &event);
}

Json zoom(const Options& options, const fs::path& library)
{
    testing::makeRun(library, {.name = "long", .state = runs::RunState::Stopped, .ofSteps = options.points, .step = options.points});
    Shown shown(library, options);
    if (!shown.ready)
        return {{"error", "the curve did not come"}};
    // A frame is whole when the points that belong to it are on the screen; until then the last ones are shown stretched.
    int answers = 0, paintsAtAnswer = 0;
    PaintWatch paints(shown.plot, {});
    QObject::connect(&shown.controller, &gui::RunController::plotAnswered, &shown.window, [&] {
        ++answers;
        paintsAtAnswer = paints.count;
    });
    std::vector<double> wall;
    double cpu = 0.0, guiCpu = 0.0;
    const auto frame = [&](double place, int angle) {
        const int before = answers;
        QElapsedTimer clock;
        clock.start();
        const double cpu0 = cpuSeconds(RUSAGE_SELF), gui0 = cpuSeconds(RUSAGE_THREAD);
        turnWheel(shown.plot, place, angle);
        while (answers == before || paints.count == paintsAtAnswer)
            QCoreApplication::processEvents(QEventLoop::AllEvents | QEventLoop::WaitForMoreEvents);
        wall.push_back(static_cast<double>(clock.nsecsElapsed()) * 1e-9);
        cpu += cpuSeconds(RUSAGE_SELF) - cpu0;
        guiCpu += cpuSeconds(RUSAGE_THREAD) - gui0;
    };
    for (int turn = 0; turn < 4; ++turn) { // in to some thousand points and out again, at several places
        for (int i = 0; i < 60; ++i)
            frame(0.2 + 0.2 * turn, 110);
        for (int i = 0; i < 55; ++i)
            frame(0.2 + 0.2 * turn, -110);
    }
    const auto frames = static_cast<double>(wall.size());
    const double mean = std::accumulate(wall.begin(), wall.end(), 0.0) / frames;
    const double physical = options.width * options.scale;
    return {{"pixels", {physical, options.height * options.scale}},
            {"points", options.points},
            {"frames", frames},
            {"frames_per_second", 1.0 / mean},
            {"wall_median", at(wall, 0.5)},
            {"wall_worst_in_100", at(wall, 0.99)},
            {"cpu", cpu / frames},
            {"gui_thread_cpu", guiCpu / frames},
            {"target_frames_per_second", physical > 2000 ? 30 : 60}};
}

Json latency(const Options& options, const fs::path& library)
{
    makeLibrary(library);
    const auto folder =
        testing::makeRun(library, {.name = "live", .state = runs::RunState::Training, .ofSteps = 1000, .step = 100, .checkpoints = 0});
    auto lock = runs::RunLock::acquire(folder, 1s);
    if (!lock)
        return {{"error", lock.error().message}};
    Shown shown(library, options);
    shown.window.openRun(folder.root());
    std::ofstream file(folder.scalarsFile(1, runs::tags::kLoss), std::ios::binary | std::ios::app);
    double wanted = 0.0;
    bool painted = false;
    PaintWatch watch(shown.plot, [&] {
        const auto data = shown.plot->graphCount() > 0 ? shown.plot->graph(0)->data() : nullptr;
        painted = painted || (data && !data->isEmpty() && (data->constEnd() - 1)->key >= wanted);
    });
    waitUntil([] { return false; }, 1500);
    std::vector<double> seconds;
    for (int i = 0; i < 20; ++i) {
        const runs::ScalarPoint point{110 + 10 * i, runs::wallTime(), 0.1};
        wanted = static_cast<double>(point.step);
        painted = false;
        QElapsedTimer clock;
        clock.start();
        file.write(reinterpret_cast<const char*>(&point), sizeof point);
        file.flush();
        waitUntil([&] { return painted; }, 5000);
        seconds.push_back(static_cast<double>(clock.nsecsElapsed()) * 1e-9);
        waitUntil([] { return false; }, 130 + 37 * (i % 5));
    }
    return {{"seconds", at(seconds, 0.5)}, {"worst", at(seconds, 1.0)}, {"target", 0.3}};
}

/// Another process that writes what a trainer writes, one report a second, until it is killed.
[[noreturn]] void pretendToTrain(const runs::RunFolder& folder)
{
    const auto lock = runs::RunLock::acquire(folder, 1s);
    auto lease = runs::ownLease();
    for (std::int64_t step = 110;; step += 10) {
        for (const auto tag : {runs::tags::kLoss, runs::tags::kGradNorm, runs::tags::kImages, runs::tags::kTrainingSeconds}) {
            const runs::ScalarPoint point{step, runs::wallTime(), 0.1};
            std::ofstream(folder.scalarsFile(1, tag), std::ios::binary | std::ios::app)
                .write(reinterpret_cast<const char*>(&point), sizeof point);
        }
        ++lease.counter;
        if (!runs::writeLease(folder, lease))
            ::_exit(1);
        std::this_thread::sleep_for(1s);
    }
}

Json idle(const Options& options, const fs::path& library)
{
    makeLibrary(library);
    const auto folder =
        testing::makeRun(library, {.name = "live", .state = runs::RunState::Training, .ofSteps = 100'000, .step = 100, .checkpoints = 0});
    const pid_t trainer = ::fork(); // no thread runs yet
    if (trainer == 0)
        pretendToTrain(folder);
    double share = -1.0, gui = -1.0;
    {
        std::this_thread::sleep_for(300ms);
        Shown shown(library, options);
        shown.window.openRun(folder.root());
        waitUntil([] { return false; }, 3000);
        QElapsedTimer clock;
        const double cpu0 = cpuSeconds(RUSAGE_SELF), gui0 = cpuSeconds(RUSAGE_THREAD);
        clock.start();
        QTimer::singleShot(options.seconds * 1000, qApp, &QCoreApplication::quit);
        QApplication::exec();
        const double elapsed = static_cast<double>(clock.nsecsElapsed()) * 1e-9;
        share = (cpuSeconds(RUSAGE_SELF) - cpu0) / elapsed;
        gui = (cpuSeconds(RUSAGE_THREAD) - gui0) / elapsed;
    }
    ::kill(trainer, SIGKILL);
    ::waitpid(trainer, nullptr, 0);
    return {{"share_of_core", share}, {"gui_thread", gui}, {"seconds", options.seconds}, {"target", 0.01}};
}

Options read(int argc, char** argv)
{
    Options options;
    options.what = argc > 1 ? argv[1] : "";
    options.espalier = (fs::path(argv[0]).parent_path() / "espalier").string();
    for (int i = 2; i + 1 < argc; i += 2) {
        const std::string_view name = argv[i];
        const char* value = argv[i + 1];
        if (name == "--espalier")
            options.espalier = value;
        else if (name == "--size")
            std::sscanf(value, "%dx%d", &options.width, &options.height);
        else if (name == "--scale")
            options.scale = std::atof(value);
        else if (name == "--points")
            options.points = std::atoll(value);
        else if (name == "--seconds")
            options.seconds = std::atoi(value);
    }
    return options;
}

} // namespace

int main(int argc, char** argv)
{
    const Options options = read(argc, argv);
    const std::pair<const char*, Json (*)(const Options&, const fs::path&)> all[] = {
        {"start", start}, {"zoom", zoom}, {"latency", latency}, {"idle", idle}};
    const auto* chosen = std::find_if(std::begin(all), std::end(all), [&](const auto& one) { return options.what == one.first; });
    if (chosen == std::end(all)) {
        std::fprintf(stderr, "bench_window: say what to measure: start, zoom, latency or idle.\n");
        return 2;
    }
    if (qEnvironmentVariableIsEmpty("QT_QPA_PLATFORM"))
        qputenv("QT_QPA_PLATFORM", "offscreen");
    qputenv("QT_SCALE_FACTOR", std::to_string(options.scale).c_str());
    QTemporaryDir folder;
    qputenv("XDG_CONFIG_HOME", folder.path().toUtf8());
    QApplication app(argc, argv);
    QApplication::setOrganizationName(QStringLiteral("espalier-bench"));
    widgets::applyTheme(app, widgets::Scheme::Light);
    QSettings().setValue(QStringLiteral("hints/runs_go_on"), true);
    const auto library = fs::path(folder.path().toStdString()) / "runs";
    fs::create_directories(library);
    const Json result = chosen->second(options, library);
    std::printf("%s\n", result.dump().c_str());
    return result.contains("error") ? 1 : 0;
}
