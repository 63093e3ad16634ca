// SPDX-License-Identifier: Apache-2.0
#include "app/cli/ask_run.h"

#include "core/runs/watcher.h"

#include <fmt/format.h>

#include <poll.h>

namespace espalier::cli {
using runs::RunState;

bool waitForRun(const runs::RunFolder& run, Signals& signals)
{
    // Half a second is what a disk that tells of no changes costs.
    runs::FolderWatcher watcher;
    watcher.watch(runs::watchFolders(run.root()));
    std::vector<pollfd> fds{{signals.fd(), POLLIN, 0}};
    if (watcher.fd() >= 0)
        fds.push_back({watcher.fd(), POLLIN, 0});
    ::poll(fds.data(), fds.size(), 500);
    signals.take();
    return signals.asked() == 0;
}

namespace {

/// Takes what is new; true when the answer is among it.
bool hear(runs::RunFollower& follower, Asked& asked)
{
    for (const auto& event : follower.poll().events) {
        if (const auto answer = runs::eventAs<runs::WishAnswered>(event)) {
            if (answer->id == asked.id)
                asked.answer = answer;
        } else if (!asked.answer && (event.kind == runs::SamplesDrawn::kKind || event.kind == runs::Evaluated::kKind)) {
            asked.drawn.push_back(event);
        }
    }
    asked.state = follower.state();
    return asked.answer.has_value();
}

} // namespace

Result<Asked> askRun(const runs::RunFolder& run, runs::WishKind kind, Json options, Until until, Signals& signals, Console& console)
{
    runs::RunFollower follower(run.root());
    follower.poll();
    auto sent = runs::sendWish(run, kind, std::move(options));
    if (!sent)
        return sent.error();
    Asked asked{*sent, {}, {}, follower.state()};
    if (until == Until::Sent)
        return asked;
    console.progress(fmt::format("Asked {} to {}; waiting for its answer", run.name(), runs::wishText(kind)));
    while (!hear(follower, asked)) {
        if (runs::isAtRest(asked.state) && !hear(follower, asked))
            return Error{ErrorCode::Lost, fmt::format("{} came to rest ({}) without an answer.", run.name(), runs::stateText(asked.state)),
                         follower.why()};
        if (asked.answer)
            break;
        if (!waitForRun(run, signals))
            return Error{ErrorCode::Cancelled,
                         fmt::format("Left. {} will still {} and say so in its events.", run.name(), runs::wishText(kind)),
                         {}};
    }
    if (!asked.answer->granted)
        return Error{ErrorCode::Busy, fmt::format("{} refused: {}", run.name(), asked.answer->answer), {}};
    while (until == Until::AtRest && !runs::isAtRest(asked.state)) {
        if (!waitForRun(run, signals))
            return Error{ErrorCode::Cancelled, fmt::format("Left while {} ends.", run.name()), {}};
        hear(follower, asked);
    }
    console.endProgress();
    return asked;
}

} // namespace espalier::cli
