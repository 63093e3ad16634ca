// SPDX-License-Identifier: Apache-2.0
// Stages that stand side by side: the workers of the run leave, those of its branches come, until all have ended.
#include "app/cli/run_weights.h"
#include "app/cli/supervisor.h"
#include "core/plan/side_by_side.h"
#include "core/runs/branches.h"

#include <fmt/format.h>

#include <algorithm>

namespace espalier::cli {

using runs::RunState;

/// Whether the workers of the run left because what comes next is for others.
bool Supervisor::waitsForBranches()
{
    const auto* zero = rankZero();
    return trainsApart() && !m_end.hasFailed() && !m_end.endsAtOnce() && !m_writeError && zero && zero->end == runs::EndedHow::Waits;
}

/// Whether the run itself goes on afterwards; otherwise it is known how it ends.
bool Supervisor::trainBranches()
{
    const auto plan = planOf(m_folder);
    if (!plan) {
        failedBy(plan.error());
        return false;
    }
    const auto devices = static_cast<std::int64_t>(m_plan.devices.size());
    const auto count = plan::openBranches(*plan).size();
    if (count == 0) {
        failedBy({ErrorCode::Internal, "The run waits for stages side by side, but its plan has none that can begin.", {}});
        return false;
    }
    const auto places = plan::placesFor(*plan, m_plan.config, devices);
    std::string why;
    if (static_cast<std::size_t>(places) < count) {
        why = fmt::format("{} device{} for {} modules: {} {} at a time, the others wait.", devices, devices == 1 ? "" : "s", count, places,
                          places == 1 ? "trains" : "train");
        m_console.note(why);
        log(LogLevel::Info, why);
    }
    write(runs::StateChanged{RunState::Training, why});
    m_end.begins();
    m_crew = std::make_unique<BranchCrew>(
        m_folder, *plan, m_plan.devices, places,
        BranchCrew::Host{[this](const std::string& device, std::vector<std::string> arguments) {
                             return spawn(device, std::move(arguments),
                                          {{"RANK", "0"}, {"LOCAL_RANK", "0"}, {"WORLD_SIZE", "1"}, {"LOCAL_WORLD_SIZE", "1"}});
                         },
                         [this](const runs::Event& event) { writeEvent(event); },
                         [this](LogLevel level, std::string_view text) { log(level, text); }});
    loop();
    const auto crew = std::exchange(m_crew, nullptr);
    if (m_end.endsAtOnce())
        return false;
    if (auto failed = crew->failure()) {
        m_end.failed(*std::move(failed));
        return false;
    }
    m_rest = crew->rest();
    const auto& stages = crew->plan().stages;
    if (!m_rest && std::ranges::all_of(stages, [&](const auto& stage) { return plan::findMeasurement(crew->plan(), stage.id); }))
        m_rest = runs::StateChanged{RunState::Finished, "All modules are trained."};
    return !m_rest;
}

/// Pause and start of one module, which is held as long as nobody takes that back.
void Supervisor::obeyModule(const runs::Wish& wish)
{
    const auto module = *runs::moduleOf(wish);
    if (m_crew)
        return m_crew->askOne(module, wish);
    const auto answer = [&](const std::string& said, bool granted) {
        m_unsaid.push_back({wish.id, std::string(runs::wishText(wish.kind)), said, granted, m_step});
        rankZero()->child.say(Json{{"wish", runs::wishJson(runs::obeyed(wish, m_unsaid.back()))}}); // it has the pen
    };
    if (!trainsApart())
        return answer("The ranks of this run were started one by one: all of them train its modules together, one after the other.", false);
    m_summary.update();
    const auto& branches = m_summary.summary().branches;
    const auto found = std::ranges::find(branches, module, &runs::BranchStatus::module);
    if (found == branches.end())
        return answer(fmt::format("This run trains no module {} beside others.", module), false);
    const bool pauses = wish.kind == runs::WishKind::Pause;
    if (const auto may = runs::possible(pauses ? runs::Action::Pause : runs::Action::Start, *found, RunState::Training); !may)
        return answer(may.why, false);
    if (auto kept = runs::setHeld(m_folder, found->name, pauses); !kept)
        return answer(kept.error().message, false);
    answer(pauses ? fmt::format("{} is held: it trains when it is started.", found->name)
                  : fmt::format("{} is no longer held.", found->name),
           true);
}

} // namespace espalier::cli
