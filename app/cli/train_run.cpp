// SPDX-License-Identifier: Apache-2.0
#include "app/cli/train_run.h"

#include "app/cli/devices.h"
#include "app/cli/first_weights.h"
#include "app/cli/job_options.h"
#include "app/cli/run_weights.h"
#include "app/cli/supervisor.h"
#include "app/cli/wait_for_devices.h"
#include "core/base/files.h"
#include "core/base/text.h"
#include "core/config/batch.h"
#include "core/config/config.h"
#include "core/plan/module_source.h"
#include "core/runs/library.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <thread>
#include <unistd.h>

namespace espalier::cli {
namespace fs = std::filesystem;
using runs::RunState;

Result<Change> changeOf(const runs::RunFolder& folder, const TrainOptions& options)
{
    const auto stored = configOf(folder);
    if (!stored)
        return stored.error();
    const Json before = config::write(*stored);
    auto wanted = resolveConfig(options.config, &before);
    if (!wanted)
        return wanted.error();
    Change change{config::difference(before, config::write(*wanted)), *wanted};
    if (!options.force)
        for (const auto& each : change.differences)
            if (each.change == config::Change::Never)
                return Error{
                    ErrorCode::Usage,
                    fmt::format("{} is {} in the run {} and {} in this command. Leave it, give --override to change it all the same, "
                                "or --new for a fresh run.",
                                each.path, each.before.dump(), folder.name(), each.after.dump()),
                    each.path};
    return change;
}

Result<runs::RunFolder> folderOf(const TrainOptions& options)
{
    if (!options.resume.empty() && (!options.run.empty() || options.fresh))
        return Error{ErrorCode::Usage, "Give --resume alone: it names the run that goes on.", {}};
    if (!options.resume.empty())
        return runs::findRun(options.resume);
    std::error_code error;
    if (options.run.empty())
        return runs::RunFolder(runs::newRunPath(fs::absolute(runs::libraryFolder(), error), options.config.stem()));
    fs::path path = fs::absolute(options.run, error).lexically_normal();
    if (!path.has_filename())
        path = path.parent_path();
    if (!options.fresh || !fs::exists(path, error))
        return runs::RunFolder(path);
    return runs::RunFolder(runs::newRunPath(path.parent_path(), path.filename().string()));
}

namespace {

Result<Done> applyChange(OwnedRun& run, const Change& change)
{
    if (change.differences.empty())
        return Done{};
    if (auto done = writeFileAtomically(run.folder.configFile(), config::document(change.config).dump(2) + "\n", Sync::Yes); !done)
        return done.error();
    for (const auto& each : change.differences)
        if (auto done = run.events.write(runs::Overridden{each.path, each.before, each.after, each.change == config::Change::Never}); !done)
            return done.error();
    return Done{};
}

std::string whatHappened(const runs::RunFolder& folder, RunState state, std::int64_t step)
{
    switch (state) {
    case RunState::Finished:
        return fmt::format("Finished at step {}: {}", step, folder.root().string());
    case RunState::Paused:
        return fmt::format("Paused at step {}. Go on with: espalier-cli train --resume {}", step, folder.root().string());
    default:
        return fmt::format("Stopped at step {}. Go on with: espalier-cli train --resume {}", step, folder.root().string());
    }
}

int tellResult(Console& console, const runs::RunFolder& folder, RunState state)
{
    const auto summary = runs::summarize(folder.root());
    Json json{{"run", folder.root().string()}, {"run_id", summary.runId},           {"state", runs::stateText(state)},
              {"step", summary.progress.step}, {"images", summary.progress.images}, {"training_seconds", summary.progress.seconds}};
    if (summary.bestMetric)
        json["best"] = {{"metric", summary.bestMetricName}, {"value", *summary.bestMetric}};
    if (const auto plan = planOf(folder); plan && plan->stages.size() > 1) {
        const auto spent = plan::spentOnSearching(*plan);
        json["searching_seconds"] = spent.seconds;
        json["searching_flops"] = spent.flops;
    }
    console.result(json, console.quiet ? "" : whatHappened(folder, state, summary.progress.step));
    return 0;
}

/// What this rank's command asks for, whether or not the run may still change to it.
Result<config::RunConfig> wantedConfig(const runs::RunFolder& folder, const TrainOptions& options)
{
    const auto stored = configOf(folder);
    if (!stored)
        return stored.error();
    const Json before = config::write(*stored);
    return resolveConfig(options.config, &before);
}

std::filesystem::path meetingFile(const runs::Rendezvous& place, const fs::path& folder)
{
    return place.meetingFile.empty() ? folder / "meeting.json" : fs::path(place.meetingFile);
}

/// Whether rank 0 finds nothing to do: the run is finished as this command wants it, and nobody has taken it up for three seconds.
class RestsFinished {
public:
    RestsFinished(const runs::RunFolder& folder, const TrainOptions& options) : m_folder(folder), m_options(options) {}

    bool operator()()
    {
        const auto now = std::chrono::steady_clock::now();
        if (!isSo())
            m_since.reset();
        else if (!m_since)
            m_since = now;
        return m_since && now - *m_since > std::chrono::seconds(3);
    }

private:
    bool isSo() const
    {
        if (!runs::isRunFolder(m_folder.root()) || runs::isLocked(m_folder) || runs::summarize(m_folder.root()).state != RunState::Finished)
            return false;
        const auto change = changeOf(m_folder, m_options);
        return change && change->differences.empty();
    }
    const runs::RunFolder& m_folder;
    const TrainOptions& m_options;
    std::optional<std::chrono::steady_clock::time_point> m_since;
};

/// A rank other than 0: the run is what rank 0 has made of it by the time they meet.
Result<RunState> trainPlaced(const TrainOptions& options, const runs::RunFolder& folder, SupervisorPlan plan, Signals& signals,
                             Console& console)
{
    RestsFinished finished(folder, options);
    auto meeting = Meeting::find(plan.place, meetingFile(plan.place, folder.root()), signals, [&] { return finished(); });
    if (!meeting)
        return meeting.error();
    if (!*meeting)
        return RunState::Finished;
    plan.meeting = *std::move(meeting);
    const auto config = wantedConfig(folder, options);
    if (!config)
        return config.error();
    auto device = deviceForRank(config->devices, plan.place);
    if (!device)
        return device.error();
    const auto taken = useDevices(folder, {*device}, console);
    plan.devices = taken.devices;
    plan.inherit = taken.locks.fds();
    plan.introduction = {config::write(*config), ESPALIER_VERSION, gpuIdentity(*device)};
    if (::chdir(folder.root().c_str()) != 0)
        return ioError("enter", folder.root(), errno);
    return Supervisor(runs::RunFolder("."), std::nullopt, std::move(plan), signals, console).train();
}

Result<std::vector<std::string>> devicesOf(const config::RunConfig& config, const runs::Rendezvous& place)
{
    if (!place.placed())
        return devicesFor(config.devices);
    auto device = deviceForRank(config.devices, place);
    if (!device)
        return device.error();
    return std::vector<std::string>{*device};
}

Result<DevicesTaken> takeDevices(const TrainOptions& options, OwnedRun& run, const config::RunConfig& config, const runs::Rendezvous& place,
                                 Signals& signals, Console& console)
{
    if (options.queued)
        return waitForDevices(run, config.devices, signals, console);
    auto devices = devicesOf(config, place);
    return devices ? Result<DevicesTaken>(useDevices(run.folder, *std::move(devices), console)) : Result<DevicesTaken>(devices.error());
}

} // namespace

Result<Done> checkPlan(const config::RunConfig& config, const runs::Rendezvous& place, bool begins)
{
    const auto devices = devicesOf(config, place);
    if (!devices)
        return devices.error();
    std::error_code error;
    const bool features = config.data.source == config::DataSource::Features;
    if ((features || config.data.source == config::DataSource::Folder) && !fs::is_directory(config.data.path, error))
        return Error{ErrorCode::Usage,
                     fmt::format("data.path: there is no folder {}. Name the folder that holds the {}.", config.data.path,
                                 features ? "latents" : "images"),
                     "data.path"};
    if (config.latents.enabled && !config.latents.vae.empty() && !fs::exists(config.latents.vae, error))
        return Error{
            ErrorCode::Usage,
            fmt::format("latents.vae: there is no file or folder {}. Name the autoencoder that makes the latents.", config.latents.vae),
            "latents.vae"};
    if (begins)
        for (const auto check : {checkFirstWeights, plan::checkSources})
            if (auto fine = check(config); !fine)
                return fine;
    const int world = place.placed() ? place.worldSize : static_cast<int>(devices->size());
    if (auto batch = config::deriveBatch(config.training, world); !batch)
        return batch.error();
    return Done{};
}

Result<RunState> trainRun(const TrainOptions& options, const runs::RunFolder& named, Signals& signals, Console& console)
{
    auto worker = findWorker();
    if (!worker)
        return worker.error();
    SupervisorPlan plan{.worker = *worker, .job = options.searchOnly ? "search" : "train"};
    const auto place = runs::rendezvousFrom(runs::rendezvousVariables());
    if (!place)
        return place.error();
    plan.place = *place;
    if (place->placed() && options.run.empty() && options.resume.empty())
        return Error{ErrorCode::Usage,
                     fmt::format("Started once per rank by {} (this is rank {} of {}), so all ranks must be given the same --run folder.",
                                 runs::launcherName(place->launcher), place->rank, place->worldSize),
                     {}};
    if (place->placed() && options.queued)
        return Error{
            ErrorCode::Usage,
            "--queue waits for devices of one machine, but this was started once per rank. Leave it: the launcher gives the devices.",
            {}};
    if (place->rank != 0)
        return trainPlaced(options, named, std::move(plan), signals, console);

    auto folder = named;
    bool fresh = false; // this command makes the folder
    if (!runs::isRunFolder(folder.root())) {
        if (!options.config.namesBase() && options.config.assignments.empty())
            return Error{
                ErrorCode::Usage,
                fmt::format(
                    "There is no run in {} yet. Say what to train: --preset NAME (espalier-cli presets lists them) or --config FILE.",
                    folder.root().string()),
                {}};
        const auto config = resolveConfig(options.config);
        if (!config)
            return config.error();
        if (auto fine = checkPlan(*config, plan.place, true); !fine)
            return fine.error();
        fresh = !fs::exists(folder.root());
        auto made = runs::createRunFolder(folder.root(), config::document(*config));
        if (!made)
            return made.error();
        folder = *made;
    }
    // Refuse what is refused before waiting for anybody.
    if (const auto change = changeOf(folder, options); !change)
        return change.error();
    auto run = OwnedRun::take(folder, signals);
    if (!run)
        return run.error();
    const auto change = changeOf(folder, options);
    if (!change)
        return change.error();
    if (auto fine = checkPlan(change->config, plan.place, false); !fine)
        return fine.error();
    const auto before = runs::summarize(folder.root());
    if (before.state == RunState::Finished && change->differences.empty()) {
        console.note("This run is finished; there is nothing to do. Raise its length (--set training.steps=…), or give --new.");
        return RunState::Finished;
    }
    if (auto done = applyChange(*run, *change); !done)
        return done.error();
    auto taken = takeDevices(options, *run, change->config, plan.place, signals, console);
    if (!taken)
        return taken.error();
    plan.devices = taken->devices;
    plan.inherit = taken->locks.fds();
    plan.config = change->config;
    plan.place.meetingFile = meetingFile(plan.place, ".").string();
    plan.introduction = {config::write(change->config), ESPALIER_VERSION, gpuIdentity(plan.devices.front())};
    // From here on the run is where we stand: a folder that is moved is followed.
    if (::chdir(folder.root().c_str()) != 0)
        return ioError("enter", folder.root(), errno);
    run->folder = runs::RunFolder(".");
    console.note(before.state == RunState::New ? fmt::format("Training in {}", folder.root().string())
                                               : fmt::format("Going on with {}", folder.root().string()));
    const bool mayVanish = fresh && !change->config.init.from.empty() && plan.place.worldSize == 1;
    auto end = Supervisor(run->folder, std::move(*run), std::move(plan), signals, console).train();
    if (!end && mayVanish && (end.error().code == ErrorCode::Usage || end.error().code == ErrorCode::Format))
        removeUnbegun(runs::RunFolder(fs::current_path()));
    return end;
}

int trainAndTell(const TrainOptions& options, Console& console)
{
    const auto folder = folderOf(options);
    if (!folder)
        return console.fail(folder.error());
    Signals signals;
    const auto state = trainRun(options, *folder, signals, console);
    if (!state)
        return console.fail(state.error());
    std::error_code error;
    auto now = *folder;
    if (!fs::exists(now.root() / "run.json", error)) // it was moved while it trained
        now = runs::RunFolder(fs::current_path(error));
    return tellResult(console, now, *state);
}

Result<Done> readFlags(TrainOptions& options)
{
    auto flags = settingFlags(options.rest);
    if (!flags)
        return flags.error();
    options.config.assignments.insert(options.config.assignments.end(), flags->begin(), flags->end());
    return Done{};
}

void addTrainOptions(CLI::App& command, TrainOptions& options)
{
    command.add_option("--preset", options.config.preset, "Start from a preset; espalier-cli presets lists them");
    command.add_option("--config", options.config.file,
                       "Start from a file: a config.json, a part of one, or a configuration of ddpm-torch");
    command.add_option("--init", options.config.init,
                       "Fine-tune: begin with the weights of a run, a checkpoint folder, a safetensors or PyTorch file (init.from)");
    command
        .add_option("--phase", options.config.phase,
                    "Of an assembled model: all phases, or PT (the meta model), MT (modules), FT (all together) alone")
        ->check(CLI::IsMember({"all", "PT", "MT", "FT"}));
    command.add_option("--module", options.config.module, "With --phase MT: the one module to train, counted from 0")
        ->check(CLI::Range(0, 63));
    command.add_option("--meta", options.config.meta,
                       "The meta model of an assembled model, in place of training it: a run, a checkpoint or a file");
    command.add_option("--modules", options.config.modules,
                       "Modules that were trained elsewhere, in their order: runs, checkpoints or files");
    command.add_option("--resume", options.resume, "Go on with this run: its folder, or its name in the library");
    command.add_option("--run", options.run, "The run's folder: a new one, or one to go on with (default: a new one in the library)");
    command
        .add_option("--set", options.config.assignments,
                    "A setting, such as training.steps=80; may be given often, and as --training.steps=80")
        ->allow_extra_args(false);
    command.add_option("--devices", options.config.devices, "auto, cpu, cpu:N for N workers, or GPU numbers such as 0,1")->take_last();
    command.add_flag("--new", options.fresh, "Take a fresh folder even if --run names one that exists");
    command.add_flag("--override", options.force, "Change settings of an existing run that are meant to stay");
    command.allow_extras();
    command.parse_complete_callback([&options, &command] { options.rest = command.remaining(); });
}

} // namespace espalier::cli
