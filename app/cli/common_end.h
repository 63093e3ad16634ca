// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "app/cli/cause.h"
#include "app/cli/meeting.h"
#include "app/cli/patience.h"

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace espalier::cli {

/// How workers that share one piece of work end together, be it a run or a job: what is known of an end, which of that is the reason, and
/// when those that still live must go. Where ranks were started one by one, each of their supervisors has one; they tell each other what
/// they know, and rank 0 has the last word. Acts on nothing but the meeting; for a poll loop, one thread.
class CommonEnd {
public:
    using Clock = std::chrono::steady_clock;

    /// What is due to the workers that still run.
    enum class Due {
        Nothing,
        Terminate, // another has failed; said once
        Kill,      // they did not heed that
        Hurry,     // another's work was done long ago, and nobody failed
    };

    /// `rank` of this supervisor, 0 where it has all workers. `advice` closes what is said of a rank that went away; may be empty.
    CommonEnd(int rank, Patience patience, std::string advice);

    /// From now on the other ranks hear of everything, and are heard. They have agreed.
    void among(Meeting& others);

    // What happens.
    /// Workers were started: none has ended yet.
    void begins();
    /// The work of one is done, as it should be.
    void done();
    /// One failed, here or elsewhere.
    void failed(Cause cause);
    /// What it had printed, where its failure came without a detail.
    void explain(int rank, const std::string& detail);
    /// Somebody asked for the end: where all others only lost each other, that is the reason.
    void cancelled();
    /// It ends at once, without waiting for anybody's reasons.
    void atOnce();
    /// What another supervisor says, where it is about an end.
    void hear(const Meeting::Peer& peer, const Json& line);
    /// Gives signs of life to the others and fails for one that gives none.
    void watch(Clock::time_point now);

    // What follows.
    bool hasFailed() const { return m_since.has_value(); }
    bool wasCancelled() const { return m_cancelled; }
    bool endsAtOnce() const { return m_atOnce; }
    /// Something is known of an end, good or bad: the clock wants to be read often.
    bool nears() const { return m_since || m_firstDone; }
    /// `several`: workers of this supervisor.
    Due due(Clock::time_point now, bool several);
    bool terminated() const { return m_terminated.has_value(); }
    /// No worker runs any more, but another rank may still know better why.
    bool awaitsWord(Clock::time_point now) const;
    /// Why it failed: the first cause that is no consequence of another, else the first of all. It did fail.
    Cause reason() const;
    /// Rank 0 tells the reason to all, if it did not yet.
    void tellReason();

private:
    bool leads() const { return m_rank == 0; }
    bool allConsequences() const;
    std::chrono::milliseconds patienceForCauses() const;
    void tell(const Cause& cause);

    const int m_rank;
    const Patience m_patience;
    const std::string m_advice;
    Meeting* m_others = nullptr;
    std::vector<Cause> m_causes;
    bool m_cancelled = false, m_atOnce = false;
    bool m_toldOver = false; // rank 0 gave its last word, or was heard to
    std::optional<Clock::time_point> m_since, m_terminated, m_firstDone;
    Clock::time_point m_lastBeat{};
};

} // namespace espalier::cli
