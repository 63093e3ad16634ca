// SPDX-License-Identifier: Apache-2.0
#include "app/worker/job.h"

#include "core/base/files.h"
#include "core/base/parse_json.h"
#include "core/config/batch.h"
#include "core/config/config.h"
#include "core/parallel/process_group.h"
#include "core/training/training_session.h"

#include <ATen/Context.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <unistd.h>

namespace espalier::worker {
namespace {

Result<config::RunConfig> readConfig(const runs::RunFolder& folder)
{
    const auto text = readFile(folder.configFile(), 16 << 20);
    if (!text)
        return text.error();
    const auto document = parseJson(*text);
    if (document.is_discarded())
        return Error{ErrorCode::Format,
                     fmt::format("{} is not JSON. Restore it from a copy, or start a new run.", folder.configFile().string())};
    return config::readDocument(document);
}

void beDeterministic(const config::RunConfig& config)
{
    if (!config.training.deterministic)
        return;
    ::setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", 0); // before the first CUDA call
    at::globalContext().setDeterministicAlgorithms(true, false);
    at::globalContext().setDeterministicCuDNN(true);
    at::globalContext().setBenchmarkCuDNN(false);
    at::globalContext().setDeterministicFillUninitializedMemory(false);
}

/// Off has to be said too: cuDNN would round unasked.
void chooseTf32(const config::RunConfig& config, at::Device device)
{
    if (!device.is_cuda())
        return;
    at::globalContext().setFloat32MatmulPrecision(config.training.tf32 ? "high" : "highest");
    at::globalContext().setAllowTF32CuDNN(config.training.tf32);
}

/// What of a run is trained here, as core/runs/worker_link.h says.
struct Part {
    std::optional<std::string> branch;
    int devices = 0, atOnce = 0;
};

Result<Part> partOf(const Json& request)
{
    constexpr int kMost = 1 << 20;
    Part part;
    const auto branches = textOf(request, "branches", ""), branch = textOf(request, "branch", "");
    const auto devices = numberOf(request, "devices", 0, 0, kMost), atOnce = numberOf(request, "at_once", 0, 0, kMost);
    if (!branches || !branch)
        return branches ? branch.error() : branches.error();
    if (!devices || !atOnce)
        return devices ? atOnce.error() : devices.error();
    if (!branches->empty() && *branches != "apart")
        return Error{ErrorCode::Usage, "branches is \"apart\" or nothing."};
    if (!branch->empty() && runs::safeName(*branch) != *branch)
        return Error{ErrorCode::Usage, "branch must name a folder of the run."};
    if (!branch->empty() || !branches->empty())
        part.branch = *branch;
    part.devices = static_cast<int>(*devices);
    part.atOnce = static_cast<int>(*atOnce);
    return part;
}

Result<Json> train(const Json& request, JobContext& context, bool searchOnly)
{
    const auto run = textOf(request, "run", "");
    if (!run)
        return run.error();
    const auto part = partOf(request);
    if (!part)
        return part.error();
    // Inside the folder: one that is moved is followed, one that is deleted fails at the next write.
    if (::chdir(run->c_str()) != 0)
        return ioError("enter the run folder", *run, errno);
    const runs::RunFolder folder(".");
    const auto config = readConfig(folder);
    if (!config)
        return config.error();
    beDeterministic(*config);
    const auto ranks = runs::ranksFromEnvironment();
    if (!ranks)
        return ranks.error();
    const auto device = deviceOfRank(config->devices, *ranks);
    if (!device)
        return device.error();
    chooseTf32(*config, *device);
    context.trained = Trained{*config, std::max(ranks->worldSize, part->devices)};
    setThreads(config->training.threads, part->atOnce > 0 ? part->atOnce : ranks->localWorldSize);
    const auto group = parallel::ProcessGroup::join(*ranks, *device);
    if (!group)
        return group.error();
    training::TrainingSession::Request wanted{folder, *config, *device, *group, std::nullopt};
    wanted.searchOnly = searchOnly;
    wanted.branch = part->branch;
    wanted.devices = part->devices;
    auto session = training::TrainingSession::open(std::move(wanted), context.link, context.log);
    if (!session)
        return session.error();
    context.link.started(Json{{"step", (*session)->state().counters.step}});
    const auto ended = (*session)->run(context.now);
    if (!ended)
        return ended.error();
    const auto step = (*session)->state().counters.step;
    session->reset(); // the pen is down before the supervisor takes it up
    (*group)->leave();
    context.link.end(*ended, step);
    return Json{{"ended", std::string(runs::endText(*ended))}, {"step", step}};
}

} // namespace

Result<Json> trainJob(const Json& request, JobContext& context)
{
    return train(request, context, false);
}

Result<Json> searchJob(const Json& request, JobContext& context)
{
    return train(request, context, true);
}

Result<Json> rehearseJob(const Json& request, JobContext& context)
{
    const auto config = config::read(request.value("config", Json::object()));
    if (!config)
        return config.error();
    const auto device = deviceFor(config->devices, 0);
    if (!device)
        return device.error();
    chooseTf32(*config, *device);
    setThreads(config->training.threads, 1);
    auto whole = *config;
    const auto world = numberOf(request, "world", 1, 1, 1 << 20);
    if (!world)
        return world.error();
    context.trained = Trained{whole, static_cast<int>(*world)};
    const auto split = config::deriveBatch(whole.training, static_cast<int>(*world));
    if (!split)
        return split.error();
    // One device rehearses one micro-batch of what all of them will do.
    whole.training.batchSize = whole.training.microBatch = split->microBatch;
    whole.training.accumulation = 1;
    auto session = training::TrainingSession::open({{}, whole, *device, parallel::ProcessGroup::alone(), 1}, context.link, context.log);
    if (!session)
        return session.error();
    const auto ended = (*session)->run(context.now);
    if (!ended)
        return ended.error();
    std::int64_t parameters = 0;
    for (const auto& slot : (*session)->state().slots)
        parameters += slot.value.numel();
    return Json{{"parameters", parameters}, {"tensors", (*session)->state().slots.size()}, {"steps", (*session)->state().counters.step}};
}

} // namespace espalier::worker
