// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/json.h"
#include "core/parallel/process_group.h"

#include <functional>
#include <memory>
#include <string>

namespace espalier::parallel {

/// Rank 0 does something that is not a step of training (draws, measures) and the other ranks help: it deals rows of work in pieces of a
/// fixed size, keeps some for itself, and takes what comes of them in their order. Since neither pieces nor order depend on the number of
/// ranks, numbers and pictures do not either. With one rank it is a plain loop. From one thread.
class Crew {
public:
    /// Makes of rows [n, …] as many others, all on the CPU.
    using Work = std::function<Result<at::Tensor>(const at::Tensor& rows)>;
    using Take = std::function<Result<Done>(std::int64_t first, const at::Tensor& made)>;
    /// Told when this rank begins to wait for another one, and when it has waited.
    using Waits = std::function<void(bool)>;

    explicit Crew(std::shared_ptr<ProcessGroup> group = ProcessGroup::alone(), Waits waits = {});
    /// Rank 0: lets the others go. Each shift needs a crew on every rank: rank 0 leads, the others help().
    ~Crew();
    Crew(const Crew&) = delete;
    Crew& operator=(const Crew&) = delete;

    int size() const { return m_group->world(); }
    bool leads() const { return m_group->rank() == 0; }

    /// Rank 0: `own` is what the others make of `ask`. The first error ends it, whichever rank met it.
    Result<Done> map(const Json& ask, const at::Tensor& rows, std::int64_t piece, const Work& own, const Take& take);
    /// The others: do what rank 0 asks for until it lets them go. An exception of the work comes out, and rank 0 sees a lost rank.
    Result<Done> help(const std::function<Result<Work>(const Json& ask)>& workFor);

private:
    struct Message;
    void send(int to, const Message& message);
    Message receive(int from);
    Result<at::Tensor> madeBy(int rank);
    void dismiss();

    std::shared_ptr<ProcessGroup> m_group;
    Waits m_waits;
    bool m_lost = false; // a rank is gone: nothing can be said any more
};

} // namespace espalier::parallel
