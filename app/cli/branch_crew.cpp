// SPDX-License-Identifier: Apache-2.0
#include "app/cli/branch_crew.h"

#include "core/base/files.h"
#include "core/base/json_value.h"
#include "core/base/text.h"
#include "core/machine/memory.h"
#include "core/plan/side_by_side.h"
#include "core/runs/branches.h"
#include "core/runs/retention.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <sys/wait.h>

namespace espalier::cli {

using runs::RunState;
using runs::WishKind;

namespace {

constexpr const char* kHeld = "Held: it trains when it is started.";

bool leaves(WishKind kind)
{
    return kind == WishKind::Pause || kind == WishKind::Stop;
}

} // namespace

BranchCrew::BranchCrew(runs::RunFolder folder, plan::Plan plan, std::vector<std::string> devices, std::int64_t places, Host host)
    : m_folder(std::move(folder)), m_plan(std::move(plan)), m_devices(std::move(devices)), m_places(static_cast<std::size_t>(places)),
      m_host(std::move(host)), m_oomBefore(machine::outOfMemoryKills())
{
    for (auto& stage : plan::openBranches(m_plan))
        m_branches.push_back({.stage = std::move(stage)});
    fill();
}

BranchCrew::~BranchCrew() = default;

void BranchCrew::addTo(std::vector<pollfd>& fds) const
{
    for (const auto& branch : m_branches)
        if (branch.worker)
            branch.worker->child.addTo(fds);
}

void BranchCrew::work()
{
    const auto now = Clock::now();
    for (auto& branch : m_branches) {
        if (!branch.worker)
            continue;
        auto& worker = *branch.worker;
        const auto print = [&](std::string_view line) { m_host.log(LogLevel::Info, fmt::format("{}: {}", branch.stage.branch, line)); };
        if (worker.read([&](const Json& line) { hear(branch, line); }, print)) {
            hearExit(branch);
        } else if (auto why = worker.hangs("its worker", m_patience, now); why && !branch.said) {
            branch.said = Cause{-1, *std::move(why), -1, "", false};
            worker.child.signal(SIGKILL);
        }
    }
    if (m_problem && !m_leaving)
        ask({"", WishKind::Stop, Json::object()});
    fill();
    answerWhatIsDue();
}

bool BranchCrew::over() const
{
    const bool starts = !m_leaving && !m_problem;
    return std::ranges::none_of(m_branches, [&](const Branch& branch) { return branch.worker || (starts && branch.now == Now::Waits); });
}

/// Starts those whose turn it is.
void BranchCrew::fill()
{
    if (m_leaving || m_problem)
        return;
    for (std::size_t place = 0; place < m_places; ++place) {
        if (std::ranges::any_of(m_branches, [&](const Branch& branch) { return branch.worker && branch.place == place; }))
            continue;
        for (auto& branch : m_branches) {
            if (branch.now != Now::Waits)
                continue;
            if (runs::isHeld(m_folder, branch.stage.branch)) {
                branch.now = Now::Held;
                setState(branch, RunState::Paused, kHeld);
                continue;
            }
            start(branch, place);
            if (branch.worker)
                break;
        }
    }
    for (auto& branch : m_branches)
        if (branch.now == Now::Waits && !std::exchange(branch.told, true))
            setState(branch, RunState::Queued, "Waits for a device.");
}

void BranchCrew::start(Branch& branch, std::size_t place)
{
    const auto& stage = branch.stage;
    const auto& device = m_devices[place % m_devices.size()];
    setState(branch, RunState::Starting);
    const auto began = plan::beginOf(m_plan, stage).value_or(plan::Progress{});
    m_host.tell(runs::makeEvent(runs::StageStarted{stage.index, stage.id, began.steps}));
    auto child = m_host.spawn(
        device, {"--branch", stage.branch, "--devices", std::to_string(m_devices.size()), "--at-once", std::to_string(m_places)});
    branch.now = Now::Trains;
    branch.step = -1;
    branch.told = false;
    branch.said.reset();
    branch.cause.reset();
    branch.gpuCurves = {};
    branch.place = place;
    if (!child)
        return fail(branch, {-1, child.error(), -1, "", false});
    branch.worker.reset(new TrainWorker{.child = std::move(*child), .rank = 0, .device = device});
}

void BranchCrew::hear(Branch& branch, const Json& line)
{
    const auto kind = valueOr<std::string>(line, "kind", "");
    if (kind == "step" || kind == "end") {
        branch.step = std::max(branch.step, valueOr<std::int64_t>(line, "step", -1));
        if (kind == "end")
            branch.worker->end = runs::endFromText(valueOr<std::string>(line, "how", ""));
    } else if (kind == "measured") {
        if (const auto measurement = plan::measurementFromJson(line.value("measurement", Json())))
            keep(*measurement);
        else
            branch.said = Cause{-1, measurement.error(), -1, "", false};
    } else if (kind == "failed") {
        branch.said = causeFrom(line, -1);
    } else if (const auto answer = answerFrom(line)) {
        takeAnswer(branch, *answer);
    }
}

/// What a branch had done when it ended: on the disk before anything rests on it. Its last checkpoint is there.
void BranchCrew::keep(const plan::Measurement& measurement)
{
    if (!plan::findStage(m_plan, measurement.id) || plan::findMeasurement(m_plan, measurement.id))
        return;
    m_plan.ledger.push_back(measurement);
    if (auto kept = writeFileAtomically(m_folder.planFile(), plan::toJson(m_plan).dump(2) + "\n", Sync::Yes); !kept)
        m_problem = kept.error();
}

void BranchCrew::hearExit(Branch& branch)
{
    const auto worker = std::move(branch.worker);
    const auto& name = branch.stage.branch;
    if (m_killed) {
        branch.now = Now::Waits;
        return setState(branch, RunState::Stopped, "Ended at once: what was trained since its last checkpoint is lost.");
    }
    const int status = *worker->child.exit();
    const bool well = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (worker->end && !well) // it had saved everything and said so
        m_host.log(LogLevel::Warning, fmt::format("{} ended badly after its work was done: {}", name,
                                                  causeOfExit("its worker", status, false, "").error.message));
    if (!worker->end || branch.said) {
        const auto kills = machine::outOfMemoryKills();
        auto cause = branch.said ? *branch.said : causeOfExit("its worker", status, kills > m_oomBefore, worker->tail);
        m_oomBefore = kills;
        if (cause.error.detail.empty())
            cause.error.detail = worker->tail;
        return fail(branch, std::move(cause));
    }
    if (*worker->end == runs::EndedHow::Finished) {
        if (!plan::findMeasurement(m_plan, branch.stage.id))
            return fail(branch,
                        {-1, {ErrorCode::Internal, "its worker ended without saying what it had done.", worker->tail}, -1, "", false});
        branch.now = Now::Ended;
        return setState(branch, RunState::Finished);
    }
    const bool held = runs::isHeld(m_folder, name);
    branch.now = held ? Now::Held : Now::Waits;
    if (held)
        setState(branch, RunState::Paused, kHeld);
    else
        setState(branch, m_leaving == WishKind::Stop ? RunState::Stopped : RunState::Paused, "With the run.");
}

/// Only this branch: the others go on.
void BranchCrew::fail(Branch& branch, Cause cause)
{
    const auto& name = branch.stage.branch;
    branch.worker.reset();
    branch.now = Now::Failed;
    const auto folder = m_folder.branch(name);
    const auto stored = runs::storedCheckpoints(folder);
    if (cause.step < 0)
        cause.step = branch.step;
    auto told = failureOf(cause, branch.step);
    told.message = capital(told.message);
    told.checkpoint = stored.empty() ? "" : folder.relative(folder.checkpointFolder(stored.back().step));
    write(branch, {runs::makeEvent(told), runs::makeEvent(runs::StateChanged{RunState::Failed, told.message})});
    m_host.log(LogLevel::Error, fmt::format("{}: {}", name, told.message));
    m_host.tell(runs::makeEvent(runs::Warned{
        .message = fmt::format("{} failed, the other stages go on without it: {}", branch.stage.id, told.message), .step = cause.step}));
    cause.error.message = fmt::format("{}: {}", branch.stage.id, told.message);
    cause.checkpoint = stored.empty() ? "" : m_folder.relative(folder.checkpointFolder(stored.back().step));
    branch.cause = std::move(cause);
}

void BranchCrew::ask(const runs::Wish& wish)
{
    Asked asked{wish, {}};
    if (leaves(wish.kind)) {
        if (m_leaving != WishKind::Stop)
            m_leaving = wish.kind;
        m_host.tell(runs::makeEvent(runs::StateChanged{wish.kind == WishKind::Pause ? RunState::Pausing : RunState::Stopping, ""}));
    }
    for (auto& branch : m_branches)
        if (branch.worker) {
            branch.worker->child.say(Json{{"wish", runs::wishJson(wish)}});
            asked.answers[branch.stage.branch];
        }
    m_asked.push_back(std::move(asked));
    answerWhatIsDue();
}

runs::BranchStatus BranchCrew::statusOf(const Branch& branch) const
{
    runs::BranchStatus status;
    status.name = branch.stage.branch;
    status.held = runs::isHeld(m_folder, status.name);
    status.state = branch.now == Now::Trains   ? RunState::Training
                   : branch.now == Now::Ended  ? RunState::Finished
                   : branch.now == Now::Failed ? RunState::Failed
                   : branch.now == Now::Held   ? RunState::Paused
                                               : RunState::Queued;
    return status;
}

void BranchCrew::askOne(std::int64_t module, const runs::Wish& wish)
{
    const auto found = std::ranges::find_if(m_branches, [&](const Branch& branch) { return branch.stage.module == module; });
    if (found == m_branches.end())
        return answer(wish, fmt::format("module-{} is done, or not trained by this run.", module), false);
    auto& branch = *found;
    const auto& name = branch.stage.branch;
    const bool pauses = wish.kind == WishKind::Pause;
    if (const auto may = runs::possible(pauses ? runs::Action::Pause : runs::Action::Start, statusOf(branch), RunState::Training); !may)
        return answer(wish, may.why, false, branch.step);
    if (auto kept = runs::setHeld(m_folder, name, pauses); !kept)
        return answer(wish, kept.error().message, false, branch.step);
    if (!pauses) {
        branch.now = Now::Waits;
        branch.told = false;
        fill();
        return answer(wish, branch.worker ? fmt::format("{} trains on.", name) : fmt::format("{} waits for a device.", name), true);
    }
    if (branch.worker) {
        branch.worker->child.say(Json{{"wish", runs::wishJson({wish.id, WishKind::Pause, Json::object()})}});
        m_asked.push_back({wish, {{name, std::nullopt}}});
        return;
    }
    if (branch.now == Now::Waits) {
        branch.now = Now::Held;
        setState(branch, RunState::Paused, kHeld);
    }
    answer(wish, fmt::format("{} is held: it trains when it is started.", name), true);
}

void BranchCrew::takeAnswer(const Branch& branch, const runs::WishAnswered& answer)
{
    for (auto& asked : m_asked)
        if (const auto place = asked.answers.find(branch.stage.branch); asked.wish.id == answer.id && place != asked.answers.end())
            place->second = answer;
}

/// A pause or stop is done when the workers are gone; what else was asked, when they have said so.
void BranchCrew::answerWhatIsDue()
{
    std::erase_if(m_asked, [&](const Asked& asked) {
        bool granted = leaves(asked.wish.kind);
        std::string said;
        std::int64_t step = -1;
        for (const auto& [name, given] : asked.answers) {
            const auto& branch = *std::ranges::find_if(m_branches, [&](const Branch& each) { return each.stage.branch == name; });
            if (branch.worker && (!given || leaves(asked.wish.kind)))
                return false;
            const auto text = given                       ? given->answer
                              : branch.now == Now::Failed ? "It failed."
                              : leaves(asked.wish.kind)   ? "It had just ended."
                                                          : "It came to its end before this could be done.";
            granted = granted || (given && given->granted);
            step = std::max(step, given ? given->step : branch.step);
            said += fmt::format("{}{}", said.empty() ? "" : " ", asked.answers.size() > 1 ? fmt::format("{}: {}", name, text) : text);
        }
        if (asked.answers.empty())
            said = leaves(asked.wish.kind) ? "No stage was being trained." : "No step is being trained now.";
        answer(asked.wish, std::move(said), granted, step);
        return true;
    });
}

void BranchCrew::answer(const runs::Wish& wish, std::string said, bool granted, std::int64_t step)
{
    if (!wish.id.empty()) // a signal asks too
        m_host.tell(runs::makeEvent(runs::WishAnswered{wish.id, std::string(runs::wishText(wish.kind)), std::move(said), granted, step}));
}

void BranchCrew::killAll()
{
    m_killed = true;
    m_leaving = WishKind::Stop;
    for (auto& branch : m_branches)
        if (branch.worker)
            branch.worker->child.signal(SIGKILL);
}

void BranchCrew::addGpuCurves(const std::vector<Json>& values)
{
    for (auto& branch : m_branches)
        if (branch.worker && branch.place % m_devices.size() < values.size())
            branch.gpuCurves.add(m_folder.branch(branch.stage.branch), 0, branch.step, values[branch.place % m_devices.size()]);
}

std::optional<Cause> BranchCrew::failure() const
{
    if (m_problem)
        return Cause{-1, *m_problem, -1, "", false};
    if (m_leaving)
        return std::nullopt;
    std::optional<Cause> first;
    std::string others;
    for (const auto& branch : m_branches) {
        if (!branch.cause || branch.now != Now::Failed)
            continue;
        if (first)
            others += (others.empty() ? "" : ", ") + branch.stage.branch;
        else
            first = branch.cause;
    }
    if (!others.empty())
        first->error.message += fmt::format(" Failed too: {}.", others);
    return first;
}

std::optional<runs::StateChanged> BranchCrew::rest() const
{
    if (m_leaving)
        return runs::StateChanged{*m_leaving == WishKind::Pause ? RunState::Paused : RunState::Stopped,
                                  "While stages trained side by side."};
    std::string held;
    for (const auto& branch : m_branches)
        if (branch.now == Now::Held)
            held += (held.empty() ? "" : ", ") + branch.stage.branch;
    if (held.empty())
        return std::nullopt;
    return runs::StateChanged{RunState::Paused, fmt::format("All that is left is held: {}. Start it, then resume the run.", held)};
}

void BranchCrew::setState(const Branch& branch, RunState state, const std::string& why)
{
    write(branch, {runs::makeEvent(runs::StateChanged{state, why})});
}

void BranchCrew::write(const Branch& branch, const std::vector<runs::Event>& events)
{
    const auto folder = m_folder.branch(branch.stage.branch);
    std::error_code error;
    if (std::filesystem::create_directories(folder.root(), error); error) {
        m_problem = ioError("create", folder.root(), error.value());
        return;
    }
    auto log = runs::EventLog::open(folder.eventsFile());
    for (const auto& event : events) {
        const auto done = log ? log->append(event) : Result<Done>(log.error());
        if (!done && !m_problem)
            m_problem = done.error();
    }
}

} // namespace espalier::cli
