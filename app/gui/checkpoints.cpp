// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/checkpoints.h"

#include "core/base/files.h"
#include "core/base/json.h"
#include "core/base/parse_json.h"
#include "core/runs/events.h"
#include "core/runs/lock.h"

namespace espalier::gui {

namespace fs = std::filesystem;

Result<Done> verifyCheckpoint(const runs::RunFolder& run, std::int64_t step, std::stop_token stop)
{
    const auto folder = run.checkpointFolder(step);
    const auto text = readFile(folder / "manifest.json", 64u << 20);
    if (!text)
        return text.error();
    const auto manifest = parseJson(*text);
    const auto damaged = [&](const std::string& why) {
        return Error{ErrorCode::Format, why + " Use an earlier checkpoint.", folder.string()};
    };
    if (!manifest.is_object() || !manifest.contains("files") || !manifest["files"].is_array())
        return damaged("The manifest of this checkpoint cannot be read.");
    for (const auto& facts : manifest["files"]) {
        if (stop.stop_requested())
            return Error{ErrorCode::Cancelled, "Checking was cancelled.", {}};
        const auto name = facts.is_object() ? facts.value("name", std::string()) : std::string();
        if (name.empty() || name.find('/') != std::string::npos || name == "..")
            return damaged("The manifest of this checkpoint names something that is not one of its files.");
        std::error_code error;
        const auto size = fs::file_size(folder / name, error);
        if (error)
            return damaged(name + " is missing.");
        if (facts.contains("bytes") && facts["bytes"].is_number_unsigned() && facts["bytes"].get<std::uint64_t>() != size)
            return damaged(name + " has another size than its manifest says.");
        const auto sum = sha256OfFile(folder / name);
        if (!sum)
            return sum.error();
        if (!facts.contains("sha256") || !facts["sha256"].is_string() || facts["sha256"].get<std::string>() != *sum)
            return damaged(name + " is damaged: its content is not what was written.");
    }
    return Done{};
}

Result<Done> deleteCheckpoint(const runs::RunFolder& run, std::int64_t step)
{
    auto lock = runs::RunLock::acquire(run, std::chrono::milliseconds(0));
    if (!lock)
        return lock.error();
    const auto folder = run.checkpointFolder(step);
    // The manifest first: without it nobody takes what is left for a checkpoint.
    std::error_code error;
    fs::remove(folder / "manifest.json", error);
    if (!error)
        fs::remove_all(folder, error);
    if (error)
        return Error{ErrorCode::Io, "Could not delete the checkpoint of step " + std::to_string(step) + ": " + error.message() + ".",
                     folder.string()};
    auto events = runs::EventLog::open(run.eventsFile());
    if (!events)
        return events.error();
    return events->write(runs::CheckpointRemoved{step, run.relative(folder), "by hand"});
}

} // namespace espalier::gui
