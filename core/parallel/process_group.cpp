// SPDX-License-Identifier: Apache-2.0
#include "core/parallel/process_group.h"

#include <ATen/ATen.h>
#include <c10/cuda/CUDAGuard.h>
#include <fmt/format.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <cstdlib>
#include <optional>

namespace espalier::parallel {
namespace {

// Only the supervisor decides that a rank hangs: previews and evaluations of rank 0 may take as long as they like.
constexpr auto kCollectiveTimeout = std::chrono::hours(24 * 7);

std::chrono::seconds joinTimeout()
{
    return runs::environment::seconds(runs::environment::kJoinSeconds, std::chrono::seconds(30));
}

std::string variable(const char* name)
{
    const char* value = std::getenv(name);
    return value ? value : "";
}

class Alone final : public ProcessGroup {
public:
    int rank() const override { return 0; }
    int world() const override { return 1; }
    Waiter startSum(at::Tensor) override
    {
        return [] {};
    }
    void broadcast(at::Tensor, int) override {}
    Waiter startMaximum(at::Tensor) override
    {
        return [] {};
    }
    std::vector<at::Tensor> gather(at::Tensor tensor) override { return {std::move(tensor)}; }
    void barrier() override {}
    Waiter startSend(at::Tensor, int) override
    {
        return [] {};
    }
    void receive(at::Tensor, int) override {}
    void leave() override {}
};

class Joined final : public ProcessGroup {
public:
    Joined(const runs::Ranks& ranks, at::Device device) : m_rank(ranks.rank), m_world(ranks.worldSize)
    {
        // torchrun serves the store itself; every rank is then a client.
        const bool agentHoldsStore = variable("TORCHELASTIC_USE_AGENT_STORE") == "True";
        c10d::TCPStoreOptions options;
        options.port = static_cast<std::uint16_t>(ranks.masterPort);
        options.isServer = ranks.rank == 0 && !agentHoldsStore;
        options.numWorkers = static_cast<std::size_t>(ranks.worldSize);
        options.waitWorkers = false;
        options.multiTenant = options.isServer;
        options.timeout = joinTimeout();
        options.useLibUV = variable("USE_LIBUV") != "0";
        m_store = c10::make_intrusive<c10d::TCPStore>(ranks.masterAddress, options);
        // The store of a launcher outlives an attempt: what an earlier one left there must not be found.
        if (const auto attempt = variable(runs::environment::kAttempt); !attempt.empty())
            m_store = c10::make_intrusive<c10d::PrefixStore>("espalier/" + attempt, m_store);
        m_gloo = makeGloo(ranks);
        if (device.is_cuda())
            m_nccl = makeNccl(device);
    }

    int rank() const override { return m_rank; }
    int world() const override { return m_world; }

    Waiter startSum(at::Tensor tensor) override
    {
        std::vector<at::Tensor> tensors{std::move(tensor)};
        auto work = backendOf(tensors[0]).allreduce(tensors, {c10d::ReduceOp::SUM});
        return [work, tensors] { work->wait(); };
    }

    Waiter startMaximum(at::Tensor tensor) override
    {
        std::vector<at::Tensor> tensors{std::move(tensor)};
        auto work = backendOf(tensors[0]).allreduce(tensors, {c10d::ReduceOp::MAX});
        return [work, tensors] { work->wait(); };
    }

    void broadcast(at::Tensor tensor, int root) override
    {
        std::vector<at::Tensor> tensors{std::move(tensor)};
        c10d::BroadcastOptions options;
        options.rootRank = root;
        backendOf(tensors[0]).broadcast(tensors, options)->wait();
    }

    std::vector<at::Tensor> gather(at::Tensor tensor) override
    {
        std::vector<std::vector<at::Tensor>> all(1);
        for (int i = 0; i < m_world; ++i)
            all[0].push_back(at::empty_like(tensor));
        std::vector<at::Tensor> mine{std::move(tensor)};
        backendOf(mine[0]).allgather(all, mine)->wait();
        return std::move(all[0]);
    }

    void barrier() override { m_gloo->barrier()->wait(); }

    Waiter startSend(at::Tensor tensor, int to) override
    {
        std::vector<at::Tensor> tensors{std::move(tensor)};
        auto work = m_gloo->send(tensors, to, 0);
        return [work, tensors] { work->wait(); };
    }

    void receive(at::Tensor tensor, int from) override
    {
        std::vector<at::Tensor> tensors{std::move(tensor)};
        m_gloo->recv(tensors, from, 0)->wait();
    }

    void leave() override
    {
        if (m_nccl)
            m_nccl->shutdown();
        m_nccl.reset();
        m_gloo.reset();
        m_store.reset();
    }

private:
    c10::intrusive_ptr<c10d::Backend> makeGloo(const runs::Ranks& ranks)
    {
        auto options = c10d::ProcessGroupGloo::Options::create(kCollectiveTimeout);
        const bool local =
            ranks.masterAddress == "127.0.0.1" || ranks.masterAddress == "localhost" || ranks.localWorldSize == ranks.worldSize;
        const auto interface = variable("GLOO_SOCKET_IFNAME");
        options->devices.push_back(local               ? c10d::ProcessGroupGloo::createDeviceForHostname("127.0.0.1")
                                   : interface.empty() ? c10d::ProcessGroupGloo::createDefaultDevice()
                                                       : c10d::ProcessGroupGloo::createDeviceForInterface(interface));
        return c10::make_intrusive<c10d::ProcessGroupGloo>(c10::make_intrusive<c10d::PrefixStore>("gloo", m_store), m_rank, m_world,
                                                           options);
    }

    c10::intrusive_ptr<c10d::Backend> makeNccl(at::Device device)
    {
        const c10::cuda::CUDAGuard guard(device);
        auto options = c10d::ProcessGroupNCCL::Options::create(/*is_high_priority_stream=*/true);
        options->timeout = kCollectiveTimeout;
        auto nccl =
            c10::make_intrusive<c10d::ProcessGroupNCCL>(c10::make_intrusive<c10d::PrefixStore>("nccl", m_store), m_rank, m_world, options);
        nccl->setBoundDeviceId(device);
        nccl->eagerConnectSingleDevice(device);
        return nccl;
    }

    c10d::Backend& backendOf(const at::Tensor& tensor) { return tensor.is_cuda() ? *m_nccl : *m_gloo; }

    int m_rank, m_world;
    c10::intrusive_ptr<c10d::Store> m_store;
    c10::intrusive_ptr<c10d::Backend> m_gloo, m_nccl;
};

} // namespace

std::shared_ptr<ProcessGroup> ProcessGroup::alone()
{
    return std::make_shared<Alone>();
}

Result<std::shared_ptr<ProcessGroup>> ProcessGroup::join(const runs::Ranks& ranks, at::Device device)
{
    if (ranks.worldSize == 1)
        return alone();
    try {
        return std::shared_ptr<ProcessGroup>(std::make_shared<Joined>(ranks, device));
    } catch (const std::exception& problem) {
        return Error{
            ErrorCode::Lost,
            fmt::format(
                "Rank {} could not join the other {} ranks: {}:{} (MASTER_ADDR and MASTER_PORT) did not answer within {} s. Check that the "
                "address is that of rank 0's machine and can be reached from this one.",
                ranks.rank, ranks.worldSize - 1, ranks.masterAddress, ranks.masterPort, joinTimeout().count()),
            problem.what()};
    }
}

} // namespace espalier::parallel
