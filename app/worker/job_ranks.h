// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "app/worker/job.h"
#include "core/parallel/crew.h"

#include <functional>
#include <memory>
#include <string>

namespace espalier::worker {

/// The ranks of a job: one alone, or several that share its work. Rank 0 reads, writes and answers; the others help.
class JobRanks {
public:
    /// Finds this worker's device and threads ("device" and "threads" of the request, where the supervisor says nothing) and joins the
    /// others. All must be the same program, have been asked for the same, and see the same `weights` (their identity; may be empty).
    static Result<JobRanks> join(const Json& request, const std::string& weights, JobContext& context);

    at::Device device() const { return m_device; }
    int size() const { return m_group->world(); }

    /// Does the job: rank 0 as `lead` says, the others what they are asked for. Once.
    Result<Json> work(const std::function<Result<Json>(parallel::Crew&)>& lead,
                      const std::function<Result<parallel::Crew::Work>(const Json& ask)>& workFor);

private:
    JobRanks(at::Device device, std::shared_ptr<parallel::ProcessGroup> group, runs::WorkerLink& link)
        : m_device(device), m_group(std::move(group)), m_link(link)
    {
    }
    Result<Done> agree(const Json& request, const std::string& weights) const;

    at::Device m_device;
    std::shared_ptr<parallel::ProcessGroup> m_group;
    runs::WorkerLink& m_link;
};

} // namespace espalier::worker
