// SPDX-License-Identifier: Apache-2.0
#include "core/runs/fork.h"

#include "core/base/files.h"
#include "core/base/parse_json.h"
#include "core/runs/follower.h"
#include "core/runs/lock.h"
#include "core/runs/scalars.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace espalier::runs {
namespace fs = std::filesystem;
namespace {

std::string textIn(const Json& json, const char* key)
{
    const auto at = json.is_object() ? json.find(key) : json.end();
    return at != json.end() && at->is_string() ? at->get<std::string>() : std::string();
}

Error gone(const ForkRequest& request, const std::string& why)
{
    return {ErrorCode::Usage,
            fmt::format("The checkpoint at the end of stage {} of {} (step {}) {}. Fork at another stage.", request.stage,
                        request.parent.name(), request.step, why),
            request.parent.checkpointFolder(request.step).string()};
}

/// A file of a checkpoint never changes once it is there: two runs may have the same.
Result<Done> linkOrCopy(const fs::path& from, const fs::path& to)
{
    std::error_code error;
    fs::create_hard_link(from, to, error);
    if (error)
        fs::copy_file(from, to, error);
    if (error)
        return ioError("write", to, error.value());
    return syncToDisk(to);
}

/// The files as the manifest has them, each verified where it lies now.
Result<Done> takeCheckpoint(const ForkRequest& request, const RunFolder& into)
{
    const auto from = request.parent.checkpointFolder(request.step), to = into.checkpointFolder(request.step);
    std::error_code error;
    if (!fs::exists(from / "manifest.json", error))
        return gone(request, "is gone");
    const auto text = readFile(from / "manifest.json", 64u << 20);
    if (!text)
        return text.error();
    const auto manifest = parseJson(*text);
    const auto about = manifest.is_object() ? manifest.find("about") : manifest.end();
    const auto files = manifest.is_object() ? manifest.find("files") : manifest.end();
    if (files == manifest.end() || !files->is_array() || about == manifest.end())
        return gone(request, "cannot be read");
    if (textIn(*about, "stage_id") != request.stageId)
        return gone(request, "belongs to another stage");
    fs::create_directories(to, error);
    for (const auto& file : *files) {
        const auto name = textIn(file, "name");
        if (name.empty() || fs::path(name).filename() != name)
            return gone(request, "lists a file without a plain name");
        if (!fs::exists(from / name, error))
            return gone(request, fmt::format("lacks {}", name));
        if (auto taken = linkOrCopy(from / name, to / name); !taken)
            return taken;
        const auto hash = sha256OfFile(to / name);
        if (!hash)
            return hash.error();
        if (*hash != textIn(file, "sha256"))
            return gone(request, fmt::format("is damaged: {} has another SHA-256", name));
    }
    if (auto taken = linkOrCopy(from / "manifest.json", to / "manifest.json"); !taken)
        return taken;
    return syncToDisk(to);
}

std::int64_t stepOf(const Event& event)
{
    for (const char* key : {"step", "from_step"})
        if (const auto at = event.fields.find(key); at != event.fields.end() && at->is_number_integer())
            return at->get<std::int64_t>();
    return 0;
}

/// What happened up to the fork, without what a resume superseded and what only concerned the parent itself.
std::vector<Event> history(const ForkRequest& request, const std::vector<Event>& all)
{
    static const std::set<std::string_view> kKinds{Initialised::kKind,  StageStarted::kKind, Searched::kKind,
                                                   SamplesDrawn::kKind, Evaluated::kKind,    CheckpointWritten::kKind};
    std::vector<Event> kept;
    for (const auto& event : all) {
        if (const auto resumed = eventAs<Resumed>(event))
            std::erase_if(kept, [&](const Event& each) { return stepOf(each) > resumed->fromStep; });
        else if (kKinds.contains(event.kind))
            kept.push_back(event);
    }
    std::erase_if(kept, [&](const Event& event) {
        if (event.kind == Initialised::kKind)
            return false; // its step is another training's
        const auto stage = eventAs<StageStarted>(event);
        const auto searched = eventAs<Searched>(event);
        return stepOf(event) > request.step || (event.kind == CheckpointWritten::kKind && stepOf(event) != request.step) ||
               (stage && stage->index > request.stage) || (searched && searched->stage > request.stage);
    });
    return kept;
}

/// A file that an event names. One that is gone, or lies elsewhere, is left out.
void takeNamed(const RunFolder& from, const RunFolder& into, const std::string& relative)
{
    const fs::path path(relative);
    if (path.empty() || path.is_absolute() || std::ranges::find(path, fs::path("..")) != path.end())
        return;
    std::error_code error;
    fs::create_directories((into.root() / path).parent_path(), error);
    fs::copy_file(from.root() / path, into.root() / path, fs::copy_options::skip_existing, error);
}

Result<Done> takeHistory(const ForkRequest& request, const RunFollower& parent, const RunFolder& into)
{
    const auto identity = readIdentity(into), ofParent = readIdentity(request.parent);
    if (!identity)
        return identity.error();
    std::error_code error;
    fs::remove(into.eventsFile(), error); // the name in it is that of the hidden folder
    auto pen = EventLog::open(into.eventsFile());
    if (!pen)
        return pen.error();
    for (const auto& event : history(request, parent.events())) {
        if (auto done = pen->append(event); !done)
            return done;
        if (const auto drawn = eventAs<SamplesDrawn>(event))
            takeNamed(request.parent, into, drawn->grid);
        if (const auto evaluated = eventAs<Evaluated>(event))
            takeNamed(request.parent, into, textIn(evaluated->extra, "confusion"));
    }
    if (auto done = pen->write(Created{identity->runId, RunFolder(request.folder).name(), identity->program}); !done)
        return done;
    if (auto done = pen->write(Forked{ofParent ? ofParent->runId : "", request.parent.name(), request.stage, request.step}); !done)
        return done;
    for (const auto& change : request.changes)
        if (auto done = pen->write(change); !done)
            return done;
    return pen->write(
        StateChanged{RunState::Paused, fmt::format("Forked from {} at the end of stage {}.", request.parent.name(), request.stage)});
}

/// The curves as one attempt: what the parent superseded is gone.
Result<Done> takeCurves(const ForkRequest& request, const RunFollower& parent, const RunFolder& into)
{
    std::error_code error;
    fs::create_directories(into.scalarsFolder(1), error);
    for (const auto& tag : parent.tags()) {
        const auto& points = *parent.curve(tag);
        auto pen = ScalarWriter::create(into.scalarsFile(1, tag), tag, parent.unit(tag));
        if (!pen)
            return pen.error();
        for (std::size_t i = 0; i < points.size() && points.point(i).step <= request.step; ++i)
            pen->add(points.point(i));
        if (auto done = pen->flush(); !done)
            return done;
    }
    return Done{};
}

Result<Done> fill(const ForkRequest& request, const RunFolder& into)
{
    if (auto done = takeCheckpoint(request, into); !done)
        return done;
    RunFollower parent(request.parent.root());
    parent.poll();
    if (auto done = takeHistory(request, parent, into); !done)
        return done;
    if (auto done = takeCurves(request, parent, into); !done)
        return done;
    return writeFileAtomically(into.planFile(), request.plan.dump(2) + "\n", Sync::Yes);
}

} // namespace

Result<RunFolder> forkRun(const ForkRequest& request)
{
    std::error_code error;
    if (fs::exists(fs::symlink_status(request.folder, error)))
        return Error{
            ErrorCode::Usage, fmt::format("{} is there already. Choose another name for the new run.", request.folder.string()), {}};
    const auto part = request.folder.parent_path() / fmt::format(".{}.part", request.folder.filename().string());
    fs::create_directories(part, error);
    if (error)
        return ioError("create", part, error.value());
    // Ours alone; what an earlier fork was killed over goes.
    const auto lock = RunLock::acquire(RunFolder(part), std::chrono::milliseconds(0));
    if (!lock)
        return Error{ErrorCode::Busy, fmt::format("Another fork is making {} just now.", request.folder.string()), lock.error().detail};
    for (const auto& left : fs::directory_iterator(part, error))
        if (left.path().filename() != "lock")
            fs::remove_all(left.path(), error);
    const auto made = createRunFolder(part, request.config);
    auto filled = made ? fill(request, *made) : Result<Done>(made.error());
    if (filled)
        if (fs::rename(part, request.folder, error); error)
            filled = ioError("create", request.folder, error.value());
    if (!filled) {
        fs::remove_all(part, error);
        return filled.error();
    }
    if (auto synced = syncToDisk(request.folder.parent_path()); !synced)
        return synced.error();
    return RunFolder(request.folder);
}

} // namespace espalier::runs
