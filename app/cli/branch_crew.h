// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "app/cli/cause.h"
#include "app/cli/gpu_curves.h"
#include "app/cli/train_worker.h"
#include "core/base/log.h"
#include "core/plan/plan.h"
#include "core/runs/control.h"
#include "core/runs/follower.h"
#include "core/runs/run_folder.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace espalier::cli {

/// Trains the stages of a run that stand side by side: a worker for each, as many at once as there are places, the others wait until one is
/// free. Each can be held, and fails alone. Has the pen of a branch while no worker has it, and that of plan.json. For the supervisor's
/// loop; one thread.
class BranchCrew {
public:
    /// What only the supervisor can do.
    struct Host {
        std::function<Result<Child>(const std::string& device, std::vector<std::string> arguments)> spawn;
        std::function<void(const runs::Event&)> tell; // into the events of the run
        std::function<void(LogLevel, std::string_view)> log;
    };
    /// `devices` of the run; so many of `places` train at once.
    BranchCrew(runs::RunFolder folder, plan::Plan plan, std::vector<std::string> devices, std::int64_t places, Host host);
    ~BranchCrew();

    void addTo(std::vector<pollfd>& fds) const;
    /// Hears the workers, ends those that hang, and starts those whose turn it is.
    void work();
    /// Nobody trains, and nobody is to start.
    bool over() const;

    /// What is asked of the run: of all that train now. The answer is theirs together.
    void ask(const runs::Wish& wish);
    /// Pause or start of one.
    void askOne(std::int64_t module, const runs::Wish& wish);
    void killAll();
    /// By device, as GpuMeter reads them.
    void addGpuCurves(const std::vector<Json>& values);

    // When it is over.
    const plan::Plan& plan() const { return m_plan; }
    /// Why the run cannot go on: what is wrong with its folder, or the first branch that failed.
    std::optional<Cause> failure() const;
    /// The state in which the run rests; none: all branches have ended, and it goes on.
    std::optional<runs::StateChanged> rest() const;

private:
    using Clock = TrainWorker::Clock;
    enum class Now { Waits, Trains, Held, Failed, Ended };
    struct Branch {
        plan::Stage stage;
        Now now = Now::Waits;
        bool told = false; // that it waits
        std::unique_ptr<TrainWorker> worker = {};
        std::size_t place = 0;
        std::int64_t step = -1;
        std::optional<Cause> said = {};  // by its worker
        std::optional<Cause> cause = {}; // of its failure
        GpuCurves gpuCurves = {};
    };
    struct Asked {
        runs::Wish wish;
        std::map<std::string, std::optional<runs::WishAnswered>> answers; // by branch; none: not yet
    };

    void fill();
    void start(Branch& branch, std::size_t place);
    void hear(Branch& branch, const Json& line);
    void hearExit(Branch& branch);
    void fail(Branch& branch, Cause cause);
    void keep(const plan::Measurement& measurement);
    void takeAnswer(const Branch& branch, const runs::WishAnswered& answer);
    void answerWhatIsDue();
    void answer(const runs::Wish& wish, std::string said, bool granted, std::int64_t step = -1);
    void setState(const Branch& branch, runs::RunState state, const std::string& why = "");
    void write(const Branch& branch, const std::vector<runs::Event>& events);
    runs::BranchStatus statusOf(const Branch& branch) const;

    const runs::RunFolder m_folder;
    plan::Plan m_plan;
    const std::vector<std::string> m_devices;
    const std::size_t m_places;
    const Host m_host;
    const Patience m_patience = Patience::fromEnvironment();
    std::vector<Branch> m_branches;
    std::vector<Asked> m_asked;
    std::optional<runs::WishKind> m_leaving; // pause or stop of the run
    bool m_killed = false;
    std::optional<Error> m_problem; // of the folder
    std::uint64_t m_oomBefore = 0;
};

} // namespace espalier::cli
