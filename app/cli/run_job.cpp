// SPDX-License-Identifier: Apache-2.0
#include "app/cli/run_job.h"

#include "app/cli/job_worker.h"
#include "app/cli/run_on_ranks.h"
#include "core/machine/memory.h"

#include <poll.h>
#include <sys/wait.h>

namespace espalier::cli {

Result<Json> runJob(const Job& job, Signals& signals, Console& console)
{
    if (job.devices.size() > 1 || job.place.worldSize > 1)
        return runOnRanks(job, signals, console);
    const auto oomBefore = machine::outOfMemoryKills();
    auto spawned = JobWorker::spawn(job, 0, job.devices.front(),
                                    {{"RANK", "0"}, {"WORLD_SIZE", "1"}, {"LOCAL_RANK", "0"}, {"LOCAL_WORLD_SIZE", "1"}}, signals);
    if (!spawned)
        return spawned.error();
    auto& worker = *spawned;
    auto& child = worker.child();
    int obeyed = 0;
    while (child.running()) {
        std::vector<pollfd> fds{{signals.fd(), POLLIN, 0}};
        child.addTo(fds);
        ::poll(fds.data(), fds.size(), 1000);
        signals.take();
        while (obeyed < signals.asked()) {
            if (++obeyed == 1)
                child.say(Json{{"cancel", true}});
            else
                child.signal(SIGKILL);
        }
        worker.take(job, console);
    }
    console.endProgress();
    if (worker.failure())
        return *worker.failure();
    const int status = *child.exit();
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && worker.result())
        return *worker.result();
    if (signals.asked() > 0)
        return Error{ErrorCode::Cancelled, "Cancelled.", worker.tail()};
    return worker.whyEnded(job.name, machine::outOfMemoryKills() > oomBefore);
}

} // namespace espalier::cli
