// SPDX-License-Identifier: Apache-2.0
#include "app/worker/job_ranks.h"

#include "core/parallel/agreement.h"

namespace espalier::worker {

Result<JobRanks> JobRanks::join(const Json& request, const std::string& weights, JobContext& context)
{
    const auto devices = textOf(request, "device", "auto");
    if (!devices)
        return devices.error();
    const auto threads = numberOf(request, "threads", 0, 0, 4096);
    if (!threads)
        return threads.error();
    const auto ranks = runs::ranksFromEnvironment();
    if (!ranks)
        return ranks.error();
    const auto device = deviceOfRank(*devices, *ranks);
    if (!device)
        return device.error();
    setThreads(*threads, ranks->localWorldSize);
    // What ranks give each other lies on the CPU: no NCCL is needed.
    auto group = parallel::ProcessGroup::join(*ranks, at::kCPU);
    if (!group)
        return group.error();
    JobRanks joined(*device, *std::move(group), context.link);
    if (auto same = joined.agree(request, weights); !same)
        return same.error();
    return joined;
}

Result<Done> JobRanks::agree(const Json& request, const std::string& weights) const
{
    const auto here = tensors::Fingerprint::here(m_device, size(), "contiguous");
    auto asked = request;
    asked.erase("device"); // each has its own
    return parallel::checkAgreement(*m_group,
                                    {{"The build of the program", here.build},
                                     {"The version of LibTorch", here.libtorch},
                                     {"What is asked for", asked.dump()},
                                     {"What the weights are", weights}},
                                    {});
}

Result<Json> JobRanks::work(const std::function<Result<Json>(parallel::Crew&)>& lead,
                            const std::function<Result<parallel::Crew::Work>(const Json& ask)>& workFor)
{
    Result<Json> result = Json::object();
    {
        parallel::Crew crew(m_group, [this](bool waits) { m_link.setWaiting(waits); });
        if (crew.leads())
            result = lead(crew);
        else if (const auto helped = crew.help(workFor); !helped)
            result = helped.error();
    }
    m_group->leave();
    return result;
}

} // namespace espalier::worker
