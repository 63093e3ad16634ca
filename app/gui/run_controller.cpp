// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/run_controller.h"

#include "app/gui/checkpoints.h"
#include "app/gui/launcher.h"
#include "app/gui/plan_reader.h"
#include "core/base/files.h"
#include "core/base/overloaded.h"
#include "core/base/parse_json.h"
#include "core/config/config.h"

#include <QCoreApplication>
#include <QFileInfo>
#include <QStandardPaths>

#include <algorithm>
#include <utility>

namespace espalier::gui {

RunController::RunController(std::filesystem::path cli, QObject* parent)
    : QObject(parent), m_cli(cli), m_engine(std::move(cli), [this](EngineEvent event) { publish(std::move(event)); }),
      m_thread([this](std::stop_token stop) { m_engine.run(stop); })
{
}

RunController::~RunController()
{
    m_jobs.stop();
    m_thread.request_stop();
    m_thread.join();
}

void RunController::publish(EngineEvent event)
{
    {
        std::lock_guard lock(m_inboxMutex);
        // Of pictures of the same thing only the newest is worth showing; everything else arrives.
        if (std::holds_alternative<PlotAnswered>(event) || std::holds_alternative<GridArrived>(event) ||
            std::holds_alternative<MachineChanged>(event) || std::holds_alternative<QueueChanged>(event) ||
            std::holds_alternative<PaceFound>(event))
            std::erase_if(m_inbox, [&](const EngineEvent& waiting) { return waiting.index() == event.index(); });
        m_inbox.push_back(std::move(event));
        if (std::exchange(m_drainQueued, true))
            return; // a wake-up is already on its way
    }
    QMetaObject::invokeMethod(this, &RunController::drain, Qt::QueuedConnection);
}

void RunController::drain()
{
    std::vector<EngineEvent> events;
    {
        std::lock_guard lock(m_inboxMutex);
        events.swap(m_inbox);
        m_drainQueued = false;
    }
    for (const auto& event : events)
        std::visit(
            Overloaded{
                [this](const LibraryChanged& e) { Q_EMIT libraryChanged(e); }, [this](const RunChanged& e) { Q_EMIT runChanged(e); },
                [this](const PlotAnswered& e) { Q_EMIT plotAnswered(e.data); }, [this](const GridArrived& e) { Q_EMIT gridArrived(e); },
                [this](const MachineChanged& e) { Q_EMIT machineChanged(e); },
                [this](const QueueChanged& e) { Q_EMIT queueChanged(e.queue); }, [this](const LogArrived& e) { Q_EMIT logArrived(e); },
                [this](const ConfigRead& e) { Q_EMIT configRead(e); }, [this](const PaceFound& e) { Q_EMIT paceFound(e.pace); },
                [this](const CheckpointChecked& e) { Q_EMIT checkpointChecked(e); },
                [this](const RunsCompared& e) { Q_EMIT runsCompared(e); },
                [this](const ForeignInspected& e) { Q_EMIT foreignInspected(e); },
                [this](const ForeignSettings& e) { Q_EMIT foreignSettings(e); },
                [this](const Launched& e) { Q_EMIT launched(widgets::qstr(e.folder.string())); },
                [this](const Said& e) { Q_EMIT said(e); }},
            event);
}

void RunController::openLibrary(const std::filesystem::path& library)
{
    m_engine.post([library](Engine& engine) { engine.openLibrary(library); });
}

void RunController::selectRun(const std::filesystem::path& folder)
{
    m_engine.post([folder](Engine& engine) { engine.selectRun(folder); });
}

void RunController::ask(const widgets::PlotQuery& query)
{
    m_engine.post([query](Engine& engine) { engine.ask(query); });
}

void RunController::askPace(const Json& config)
{
    m_engine.post([config](Engine& engine) { engine.askPace(config); });
}

void RunController::readConfig(const std::filesystem::path& folder)
{
    m_engine.post([folder](Engine& engine) { engine.readConfig(folder); });
}

void RunController::startNew(const Json& config, const QString& name, const QString& folder, bool queued)
{
    m_engine.post([config, name = name.toStdString(), folder = folder.toStdString(), queued](Engine& engine) {
        engine.startNew(config, name, folder, queued);
    });
}

void RunController::resume(const std::filesystem::path& folder, const StartHow& how)
{
    m_engine.post([folder, how](Engine& engine) { engine.resume(folder, how); });
}

void RunController::watchDevices(bool watched)
{
    m_engine.post([watched](Engine& engine) { engine.watchDevices(watched); });
}

void RunController::moveInQueue(const QString& id, int place)
{
    m_engine.post([id = id.toStdString(), place](Engine& engine) {
        engine.changeQueue([&](const runs::Queue& queue) { return queue.move(id, place); });
    });
}

void RunController::removeFromQueue(const QString& id)
{
    m_engine.post(
        [id = id.toStdString()](Engine& engine) { engine.changeQueue([&](const runs::Queue& queue) { return queue.remove(id); }); });
}

void RunController::startQueuedNow(const QString& id)
{
    m_engine.post(
        [id = id.toStdString()](Engine& engine) { engine.changeQueue([&](const runs::Queue& queue) { return queue.startNow(id); }); });
}

void RunController::requestWish(const std::filesystem::path& folder, runs::WishKind kind, Json options)
{
    m_engine.post([folder, kind, options = std::move(options)](Engine& engine) { engine.wish(folder, kind, options); });
}

void RunController::holdModule(const std::filesystem::path& folder, const std::string& branch, bool held)
{
    m_engine.post([folder, branch, held](Engine& engine) { engine.hold(folder, branch, held); });
}

void RunController::startJob(const std::filesystem::path& folder, const QStringList& arguments, const QString& said, const QString& done,
                             const QString& failed)
{
    std::vector<std::string> words;
    for (const auto& argument : arguments)
        words.push_back(argument.toStdString());
    m_engine.post(
        [folder, words = std::move(words), said, done, failed](Engine& engine) { engine.job(folder, words, said, done, failed); });
}

void RunController::fork(const std::filesystem::path& folder, const QStringList& arguments, const QString& name, bool start)
{
    std::vector<std::string> command{m_cli.string(), "fork", folder.string(), "--no-start"};
    for (const auto& argument : arguments)
        command.push_back(argument.toStdString());
    const auto made = folder.parent_path() / name.toStdString();
    m_jobs.post([this, command = std::move(command), made, start](std::stop_token stop) {
        const auto finished = runAndWait(command, stop);
        if (stop.stop_requested())
            return;
        if (!finished)
            return publish(Said{widgets::qstr(finished.error().message), true, widgets::qstr(finished.error().detail)});
        if (finished->exitCode != 0) {
            std::string_view why = finished->errors;
            while (why.ends_with('\n') || why.ends_with(' '))
                why.remove_suffix(1);
            return publish(Said{
                QStringLiteral("The run was not forked. ") + sentenceOf(why.substr(why.rfind('\n') + 1), finished->exitCode), true, {}});
        }
        m_engine.post([made, start](Engine& engine) { engine.showNew(made, start); });
    });
}

void RunController::rename(const std::filesystem::path& folder, const QString& name)
{
    m_engine.post([folder, name = name.toStdString()](Engine& engine) { engine.rename(folder, name); });
}

void RunController::archive(const std::filesystem::path& folder)
{
    m_engine.post([folder](Engine& engine) { engine.archive(folder); });
}

void RunController::trash(const std::filesystem::path& folder)
{
    m_engine.post([folder](Engine& engine) { engine.trash(folder); });
}

void RunController::saveCsv(const QString& tag, const QString& file)
{
    m_engine.post([tag = tag.toStdString(), file = file.toStdString()](Engine& engine) { engine.saveCsv(tag, file); });
}

void RunController::keepCheckpoint(const std::filesystem::path& folder, std::int64_t step, bool keep)
{
    m_engine.post([folder, step, keep](Engine& engine) { engine.keep(folder, step, keep); });
}

void RunController::deleteCheckpoint(const std::filesystem::path& folder, std::int64_t step)
{
    m_engine.post([folder, step](Engine& engine) { engine.remove(folder, step); });
}

void RunController::verifyCheckpoint(const std::filesystem::path& folder, std::int64_t step)
{
    m_jobs.post([this, folder, step](std::stop_token stop) {
        const auto done = gui::verifyCheckpoint(runs::RunFolder(folder), step, stop);
        publish(CheckpointChecked{folder, step, bool(done), done ? QString() : widgets::qstr(done.error().message)});
    });
}

void RunController::compareRuns(const QStringList& folders)
{
    m_jobs.post([this, folders](std::stop_token stop) {
        RunsCompared compared;
        for (const auto& each : folders) {
            if (stop.stop_requested())
                return;
            const std::filesystem::path folder(each.toStdString());
            runs::RunFollower follower(folder);
            follower.poll();
            PlanReader plan(follower.folder());
            plan.poll();
            compared.folders.push_back(folder);
            compared.runs.push_back(plan::comparedRun(follower, plan.plan().get()));
            if (const auto problem = follower.problem(); !problem.empty() && compared.runs.back().series.empty())
                compared.problem = widgets::qstr(compared.runs.back().name + ": " + problem);
        }
        publish(std::move(compared));
    });
}

void RunController::runTool(const QStringList& arguments, const QString& done, const QString& failed)
{
    std::vector<std::string> command{m_cli.string()};
    for (const auto& argument : arguments)
        command.push_back(argument.toStdString());
    m_jobs.post([this, command = std::move(command), done, failed](std::stop_token stop) {
        const auto finished = runAndWait(command, stop);
        if (stop.stop_requested())
            return;
        if (!finished)
            return publish(Said{widgets::qstr(finished.error().message), true, widgets::qstr(finished.error().detail)});
        if (finished->exitCode == 0)
            return publish(Said{done, false, {}});
        std::string why = finished->errors;
        while (!why.empty() && (why.back() == '\n' || why.back() == ' '))
            why.pop_back();
        const auto line = why.substr(why.rfind('\n') == std::string::npos ? 0 : why.rfind('\n') + 1);
        publish(Said{failed + QLatin1Char(' ') + sentenceOf(line, finished->exitCode), true,
                     why.size() > line.size() ? widgets::qstr(why) : QString()});
    });
}

void RunController::inspect(const std::filesystem::path& path)
{
    m_jobs.post([this, path](std::stop_token stop) {
        const auto finished = runAndWait({m_cli.string(), "inspect", path.string(), "--json"}, stop);
        if (stop.stop_requested())
            return;
        if (!finished)
            return publish(ForeignInspected{path, {}, widgets::qstr(finished.error().message)});
        auto said = parseJson(finished->output);
        if (finished->exitCode == 0 && said.is_object())
            return publish(ForeignInspected{path, std::move(said), {}});
        std::string_view why = finished->errors;
        while (why.ends_with('\n'))
            why.remove_suffix(1);
        publish(ForeignInspected{path, {}, sentenceOf(why.substr(why.rfind('\n') + 1), finished->exitCode)});
    });
}

void RunController::readSettings(const std::filesystem::path& file)
{
    m_jobs.post([this, file](std::stop_token) {
        const auto text = readFile(file, 1u << 20);
        const auto overlay = text ? config::overlayFromText(*text, file.string()) : Result<Json>(text.error());
        publish(ForeignSettings{file, overlay ? *overlay : Json(), overlay ? QString() : widgets::qstr(overlay.error().message)});
    });
}

std::filesystem::path findCli()
{
    const QString name = QStringLiteral("espalier-cli");
    const QString beside = QCoreApplication::applicationDirPath() + QLatin1Char('/') + name;
    if (QFileInfo(beside).isExecutable())
        return beside.toStdString();
    const QString found = QStandardPaths::findExecutable(name);
    return (found.isEmpty() ? beside : found).toStdString();
}

} // namespace espalier::gui
