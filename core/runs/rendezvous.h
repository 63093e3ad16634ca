// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.h"

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace espalier::runs {

/// Who started this process as one of several ranks.
enum class Launcher { None, Torchrun, Slurm, OpenMpi, Pmi };
/// "torchrun", "Slurm": for sentences.
std::string_view launcherName(Launcher launcher);

/// The place of this process among the ranks of a run, and where they meet.
struct Rendezvous {
    Launcher launcher = Launcher::None; // None: one process that starts its ranks itself
    int rank = 0, worldSize = 1;
    int localRank = 0, localWorldSize = 0; // on this machine; size 0: nobody said
    std::string address;                   // empty: rank 0 tells the others in the meeting file
    int port = 0;                          // 0: rank 0 takes a free one
    bool agentHoldsStore = false;          // torchrun itself serves the store at that address
    int restart = 0;                       // how often the launcher started this job again
    std::string meetingFile;               // empty: meeting.json in the run folder

    bool placed() const { return launcher != Launcher::None; }
};

using Variables = std::map<std::string, std::string>;

/// Pure: the environment that torchrun (or whoever sets RANK and WORLD_SIZE), mpirun of Open MPI, mpiexec of MPICH, or srun gives a rank.
/// RANK wins over mpirun, mpirun over Slurm, since each of them may be started inside the next. A usage error names the variable that is
/// missing or makes no sense.
Result<Rendezvous> rendezvousFrom(const Variables& variables);
/// What rendezvousFrom reads, from this process.
Variables rendezvousVariables();

/// "node[003-005,9],gpu1" as Slurm writes lists of machines: {"node003", "node004", "node005", "node9", "gpu1"}. Nothing when it is none.
std::optional<std::vector<std::string>> slurmHosts(std::string_view list);
/// "2(x3),1" as Slurm counts tasks on each machine: {2, 2, 2, 1}. Nothing when it is none.
std::optional<std::vector<int>> slurmTasks(std::string_view list);

} // namespace espalier::runs
