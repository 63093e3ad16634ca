// SPDX-License-Identifier: GPL-3.0-or-later
// What the window asks the engine thread to do.
#include "app/gui/checkpoints.h"
#include "app/gui/engine.h"
#include "app/gui/run_chores.h"
#include "core/base/files.h"
#include "core/config/config.h"
#include "core/runs/branches.h"
#include "core/runs/retention.h"
#include "core/runs/run_folder.h"

#include <utility>

namespace espalier::gui {

namespace fs = std::filesystem;
using widgets::qstr;

void Engine::askPace(const Json& config)
{
    m_paceAsked = config;
}

void Engine::readConfig(const fs::path& folder)
{
    const auto text = readFile(runs::RunFolder(folder).configFile(), 16u << 20);
    auto document = text ? Json::parse(*text, nullptr, false) : Json();
    const bool whole = document.is_object() && document.contains("config") && document["config"].is_object();
    if (!whole)
        complain(text ? Error{ErrorCode::Format,
                              "config.json of " + folder.filename().string() + " is damaged: there is nothing to compare.", folder.string()}
                      : text.error());
    m_sink(ConfigRead{folder, whole ? std::move(document["config"]) : Json()});
}

void Engine::startNew(const Json& config, const std::string& name, fs::path folder, bool queued)
{
    const auto read = config::read(config);
    if (!read)
        return complain(read.error());
    if (folder.empty()) {
        const auto library = m_library ? m_library->folder() : runs::libraryFolder();
        const auto wanted = library / runs::safeName(name);
        std::error_code error;
        folder = !name.empty() && !fs::exists(wanted, error) ? wanted : runs::newRunPath(library, name.empty() ? "run" : name);
    }
    const auto made = runs::createRunFolder(folder, config::document(*read));
    if (!made)
        return complain(made.error());
    resume(folder, {.queued = queued});
}

void Engine::resume(const fs::path& folder, const StartHow& how)
{
    if (const auto started = m_launches.train(folder, how); !started)
        return complain(started.error());
    m_sink(Launched{folder});
    if (m_library)
        scanLibrary(false);
}

void Engine::showNew(const fs::path& folder, bool start)
{
    if (start)
        return resume(folder);
    if (m_library)
        scanLibrary(false);
    m_sink(Launched{folder});
}

void Engine::watchDevices(bool watched)
{
    if (!std::exchange(m_devicesWatched, watched) && watched && m_library)
        publishMachine();
}

void Engine::changeQueue(const std::function<Result<Done>(const runs::Queue&)>& change)
{
    if (const auto done = change(m_queue.queue()); !done)
        complain(done.error());
    publishQueue();
}

void Engine::wish(const fs::path& folder, runs::WishKind kind, Json options)
{
    const auto sent = runs::sendWish(runs::RunFolder(folder), kind, std::move(options));
    if (!sent)
        return complain(sent.error());
    m_wishes.insert(*sent);
}

void Engine::hold(const fs::path& folder, const std::string& branch, bool held)
{
    if (const auto done = runs::setHeld(runs::RunFolder(folder), branch, held); !done)
        return complain(done.error());
    m_runDirty = true;
}

void Engine::job(const fs::path& folder, std::vector<std::string> arguments, const QString& said, const QString& done,
                 const QString& failed)
{
    if (const auto started = m_launches.job(folder, std::move(arguments), done, failed); !started)
        return complain(started.error());
    say(said);
}

void Engine::rename(const fs::path& folder, const std::string& name)
{
    const auto renamed = renameRun(folder, name);
    if (!renamed)
        return complain(renamed.error());
    if (*renamed == folder)
        return;
    scanLibrary(false);
    m_sink(Launched{*renamed}); // shown under its new name
}

void Engine::archive(const fs::path& folder)
{
    const auto archived = archiveRun(folder);
    if (!archived)
        return complain(archived.error());
    scanLibrary(false);
    say(QStringLiteral("Moved to %1.").arg(qstr(archived->string())));
}

void Engine::trash(const fs::path& folder)
{
    if (const auto gone = trashRun(folder); !gone)
        return complain(gone.error());
    if (m_follower && m_follower->folder().root() == folder)
        m_follower.reset();
    scanLibrary(false);
    say(QStringLiteral("%1 is in the trash.").arg(qstr(folder.filename().string())));
}

void Engine::saveCsv(const std::string& tag, const fs::path& file)
{
    if (!m_follower)
        return;
    const auto rows = writeCsv(*m_follower, tag, file);
    if (!rows)
        return complain(rows.error());
    say(QStringLiteral("Saved %1 rows to %2.").arg(static_cast<qulonglong>(*rows)).arg(qstr(file.string())));
}

void Engine::keep(const fs::path& folder, std::int64_t step, bool keep)
{
    if (const auto done = runs::keepCheckpoint(runs::RunFolder(folder), step, keep); !done)
        return complain(done.error());
    say(keep ? QStringLiteral("The checkpoint of step %1 is kept.").arg(step)
             : QStringLiteral("The checkpoint of step %1 may go with the others.").arg(step));
    m_runDirty = true;
}

void Engine::remove(const fs::path& folder, std::int64_t step)
{
    if (const auto done = deleteCheckpoint(runs::RunFolder(folder), step); !done)
        return complain(done.error());
    say(QStringLiteral("The checkpoint of step %1 is deleted.").arg(step));
    m_runDirty = true;
}

} // namespace espalier::gui
