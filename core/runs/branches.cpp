// SPDX-License-Identifier: Apache-2.0
#include "core/runs/branches.h"

#include "core/base/files.h"
#include "core/base/json_value.h"
#include "core/base/parse_json.h"
#include "core/runs/curves.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>
#include <system_error>
#include <utility>

namespace espalier::runs {
namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kMostPlan = 16u << 20;

const Json* listAt(const Json& object, const char* key)
{
    const auto at = object.is_object() ? object.find(key) : object.end();
    return at != object.end() && at->is_array() ? &*at : nullptr;
}

/// The one row of an ended stage in the ledger: steps, images, seconds …
const Json* rowOf(const Json& plan, std::string_view stage)
{
    if (const auto* ledger = listAt(plan, "ledger"))
        for (const auto& entry : *ledger)
            if (const auto* table = listAt(entry, "table"); table && textAt(entry, "id") == stage && table->size() == 1)
                if (const auto& row = table->front();
                    row.is_array() && row.size() >= 3 && row[0].is_number() && row[1].is_number() && row[2].is_number())
                    return &row;
    return nullptr;
}

} // namespace

bool isHeld(const RunFolder& run, std::string_view branch)
{
    std::error_code error;
    return fs::exists(run.branch(branch).heldFile(), error);
}

Result<Done> setHeld(const RunFolder& run, std::string_view branch, bool held)
{
    const auto folder = run.branch(branch);
    std::error_code error;
    if (!held) {
        fs::remove(folder.heldFile(), error);
        return error ? Result<Done>(ioError("remove", folder.heldFile(), error.value())) : Result<Done>(Done{});
    }
    if (fs::create_directories(folder.root(), error); error)
        return ioError("create", folder.root(), error.value());
    return writeFileAtomically(folder.heldFile(), "Held: it does not train as long as this file is here.\n", Sync::Yes);
}

Possible possible(Action action, const BranchStatus& branch, RunState run)
{
    const auto no = [&](std::string_view why) { return Possible{false, branch.name + std::string(why)}; };
    const bool pausing = branch.held && isLive(branch.state);
    if (branch.state == RunState::Finished)
        return no(" is done.");
    if (action == Action::Pause)
        return pausing ? no(" is saving before it pauses.") : branch.held ? no(" is held already.") : Possible{true, {}};
    if (action != Action::Start)
        return no(" cannot be asked that alone: ask the run.");
    if (pausing)
        return no(" is saving before it pauses. It can go on in a moment.");
    if (branch.held || (branch.state == RunState::Failed && isLive(run)))
        return {true, {}};
    return isLive(branch.state)               ? no(" trains already.")
           : branch.state == RunState::Queued ? no(" waits for a device and starts by itself.")
           : isLive(run)                      ? no(" starts by itself when its turn comes.")
                                              : no(" is not held: it trains when the run is started.");
}

void Branches::readPlan()
{
    m_planned.clear();
    m_before.reset();
    m_ended.clear();
    const auto text = readFile(m_run.planFile(), kMostPlan);
    const auto plan = text ? parseJson(*text) : Json();
    const auto* stages = listAt(plan, "stages");
    if (stages == nullptr)
        return;
    const auto doneOf = [&](const std::string& stage) -> std::optional<Done> {
        const auto* row = rowOf(plan, stage);
        return row ? std::optional(Done{(*row)[0].get<double>(), (*row)[1].get<double>(), (*row)[2].get<double>()}) : std::nullopt;
    };
    for (const auto& stage : *stages) {
        const auto branch = textAt(stage, "branch");
        if (branch.empty() || safeName(branch) != branch) // a name of a folder, whoever wrote it
            continue;
        const auto* after = listAt(stage, "after");
        if (m_planned.empty())
            m_before = !after || after->empty()     ? Done{}
                       : after->front().is_string() ? doneOf(after->front().get<std::string>())
                                                    : std::nullopt;
        if (std::ranges::find(m_planned, branch, &Planned::name) == m_planned.end())
            m_planned.push_back({branch, valueOr<std::int64_t>(stage, "module", -1)});
        if (const auto ended = doneOf(textAt(stage, "id")))
            m_ended.emplace(branch, *ended);
    }
}

BranchStatus Branches::statusOf(const Planned& branch) const
{
    BranchStatus status;
    status.name = branch.name;
    status.module = branch.module;
    status.held = isHeld(m_run, branch.name);
    if (const auto found = m_followers.find(branch.name); found != m_followers.end()) {
        const auto& follower = found->second;
        status.state = follower.state();
        status.why = follower.why();
        status.device = follower.devices();
        status.attempt = follower.attempt();
        const auto& now = follower.progress();
        status.etaSeconds = now.etaSeconds;
        const auto before = m_before.value_or(Done{});
        const auto share = [&](double done, double of, double from) {
            if (of > from)
                status.fraction = std::clamp(std::max(status.fraction, (done - from) / (of - from)), 0.0, 1.0);
        };
        share(static_cast<double>(now.step), static_cast<double>(now.ofSteps), before.steps);
        share(now.images, now.ofImages, before.images);
        share(now.seconds, now.ofSeconds, before.seconds);
        if (status.state == RunState::Lost && status.attempt == 0) // it only waited for its turn
            status.state = RunState::New, status.why.clear();
    }
    if (m_ended.contains(branch.name)) {
        status.state = RunState::Finished;
        status.why.clear();
        status.fraction = 1.0;
        status.etaSeconds.reset();
    } else if (status.held && !isLive(status.state) && status.state != RunState::Failed) {
        status.state = RunState::Paused;
        status.why = "Held: it trains when it is started.";
    }
    return status;
}

bool Branches::poll()
{
    const auto modified = modifiedNs(m_run.branchesFolder());
    bool other = false;
    if (modified >= 0 || !m_followers.empty()) {
        if (std::exchange(m_modified, modified) != modified) {
            std::set<std::string, std::less<>> there;
            std::error_code error;
            for (fs::directory_iterator at(m_run.branchesFolder(), error), end; !error && at != end; at.increment(error))
                if (std::error_code failed; at->is_directory(failed) && !at->is_symlink(failed))
                    there.insert(at->path().filename().string());
            other = std::erase_if(m_followers, [&](const auto& each) { return !there.contains(each.first); }) > 0;
            for (const auto& name : there)
                if (!m_followers.contains(name)) {
                    m_followers.emplace(name, RunFollower(m_run.branch(name).root(), m_run));
                    other = true;
                }
        }
        for (auto& [name, follower] : m_followers)
            other |= follower.poll().any();
    }
    if (const auto plan = modifiedNs(m_run.planFile()); std::exchange(m_planModified, plan) != plan) {
        const auto before = m_planned;
        readPlan();
        other |= m_planned != before || !m_followers.empty();
    }
    std::vector<BranchStatus> now;
    for (const auto& branch : m_planned)
        now.push_back(statusOf(branch));
    if (now != m_status) {
        m_status = std::move(now);
        other = true;
    }
    return other;
}

std::int64_t Branches::training() const
{
    return std::ranges::count_if(m_status, [](const auto& branch) { return isLive(branch.state); });
}

void Branches::addTo(Progress& progress, std::string_view newest) const
{
    if (m_followers.empty() || m_planned.empty() || !m_before || static_cast<double>(progress.step) > m_before->steps)
        return;
    Done sum;
    double pace = 0.0;
    for (const auto& [name, follower] : m_followers) {
        const auto& now = follower.progress();
        const auto ended = m_ended.find(name);
        const auto done = ended != m_ended.end() ? ended->second : Done{static_cast<double>(now.step), now.images, now.seconds};
        sum.steps += std::max(0.0, done.steps - m_before->steps);
        sum.images += std::max(0.0, done.images - m_before->images);
        sum.seconds += std::max(0.0, done.seconds - m_before->seconds);
        if (ended == m_ended.end() && isLive(follower.state()))
            pace += now.imagesPerSecond;
    }
    progress.step = std::llround(m_before->steps + sum.steps / static_cast<double>(m_planned.size()));
    progress.images = m_before->images + sum.images;
    progress.seconds = m_before->seconds + sum.seconds;
    if (const auto found = m_followers.find(newest); pace == 0.0 && found != m_followers.end())
        pace = found->second.progress().imagesPerSecond;
    if (pace > 0.0)
        progress.imagesPerSecond = pace;
}

} // namespace espalier::runs
