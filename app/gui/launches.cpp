// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/launches.h"

#include "core/base/files.h"
#include "core/runs/library.h"
#include "core/runs/lock.h"
#include "core/runs/run_folder.h"

namespace espalier::gui {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using widgets::qstr;

namespace {

constexpr auto kPatience = 6s;      // until a run that shows no sign of life is asked after
constexpr auto kMostPatience = 60s; // while somebody holds its lock

/// The last sentence that a program left in its log, without its name before it.
Said failureOf(const QString& what, const fs::path& log, std::uintmax_t from, int code)
{
    const auto text = readFile(log, 64u << 20);
    std::string words = text && text->size() > from ? text->substr(static_cast<std::size_t>(from)) : std::string();
    while (!words.empty() && (words.back() == '\n' || words.back() == ' '))
        words.pop_back();
    const auto line = words.substr(words.rfind('\n') == std::string::npos ? 0 : words.rfind('\n') + 1);
    Said said{what + QLatin1Char(' ') + sentenceOf(line, code), true, {}, qstr(log.string())};
    if (words.size() > line.size())
        said.detail = qstr(words);
    return said;
}

} // namespace

Result<Done> Launches::train(const fs::path& folder, const StartHow& how)
{
    std::vector<std::string> command{m_cli.string(), "train", "--run", folder.string(), "--quiet"};
    if (!how.devices.empty())
        command.insert(command.end(), {"--devices", how.devices});
    if (how.queued)
        command.emplace_back("--queue");
    if (auto started = launchDetached(command, runs::RunFolder(folder).launchLogFile()); !started)
        return started;
    m_runs.push_back({folder, Clock::now(), runs::wallTime()});
    return Done{};
}

Result<Done> Launches::job(const fs::path& folder, std::vector<std::string> arguments, const QString& done, const QString& failed)
{
    arguments.insert(arguments.begin(), m_cli.string());
    const auto log = runs::RunFolder(folder).launchLogFile();
    std::error_code error;
    const auto size = fs::file_size(log, error);
    auto started = launchWatched(arguments, log);
    if (!started)
        return started.error();
    m_jobs.push_back({log, error ? 0 : size, done, failed, std::move(*started)});
    return Done{};
}

void Launches::look()
{
    std::erase_if(m_runs, [this](const Run& run) { return isSettled(run); });
    std::erase_if(m_jobs, [this](Job& job) { return hasEnded(job); });
}

bool Launches::isSettled(const Run& run)
{
    const auto summary = runs::summarize(run.folder);
    const bool moved = summary.changed >= run.wall && (runs::isAtRest(summary.state) || summary.state == runs::RunState::Queued);
    if (runs::isLive(summary.state) || moved)
        return true;
    if (Clock::now() - run.at < kPatience || runs::isLocked(runs::RunFolder(run.folder)))
        return Clock::now() - run.at > kMostPatience;
    const auto log = tailOf(runs::RunFolder(run.folder).launchLogFile(), 3);
    m_sink(Said{QStringLiteral("%1 did not start. ").arg(qstr(summary.name)) +
                    (log.empty() ? QStringLiteral("Its launch.log is empty.") : qstr(log)),
                true,
                {},
                qstr(runs::RunFolder(run.folder).launchLogFile().string())});
    return true;
}

bool Launches::hasEnded(Job& job)
{
    const auto code = job.end.exitCode();
    if (!code)
        return false;
    if (*code == 0)
        m_sink(Said{job.done, false, {}});
    else
        m_sink(failureOf(job.failed, job.log, job.logFrom, *code));
    return true;
}

} // namespace espalier::gui
