// SPDX-License-Identifier: Apache-2.0
#include "app/cli/common_end.h"

#include "core/base/json_value.h"
#include "core/base/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace espalier::cli {

using namespace std::chrono_literals;

namespace {

constexpr auto kCausesWithin = 500ms; // when one worker fails, what the others say in this time may explain it better
constexpr auto kVerdictWithin = 10s;  // rank 0 answers one that failed
constexpr auto kLastWords = 30s;      // between the first worker's proper end and the last one's
constexpr std::size_t kLongestDetail = 8192;

} // namespace

CommonEnd::CommonEnd(int rank, Patience patience, std::string advice) : m_rank(rank), m_patience(patience), m_advice(std::move(advice)) {}

void CommonEnd::among(Meeting& others)
{
    m_others = &others;
}

void CommonEnd::begins()
{
    m_firstDone.reset();
}

void CommonEnd::done()
{
    if (m_others)
        m_others->say({{"kind", "end"}});
    m_firstDone = m_firstDone ? m_firstDone : Clock::now();
}

void CommonEnd::failed(Cause cause)
{
    if (!leads() && cause.rank == m_rank)
        tell(cause);
    m_causes.push_back(std::move(cause));
    m_since = m_since ? m_since : Clock::now();
}

void CommonEnd::explain(int rank, const std::string& detail)
{
    for (auto& cause : m_causes)
        if (cause.rank == rank && cause.error.detail.empty())
            cause.error.detail = detail;
}

void CommonEnd::cancelled()
{
    m_cancelled = true;
}

void CommonEnd::atOnce()
{
    m_atOnce = true;
    tell({m_rank, {ErrorCode::Cancelled, fmt::format("Rank {} was ended at once by a second signal.", m_rank), {}}, -1, "", false});
}

void CommonEnd::hear(const Meeting::Peer& peer, const Json& line)
{
    const auto kind = textAt(line, "kind");
    const bool gone = kind == "gone", over = kind == "over";
    if (kind == "end") {
        m_firstDone = m_firstDone ? m_firstDone : Clock::now();
        return;
    }
    if ((!gone && !over && kind != "failed") || (gone && m_firstDone))
        return;
    Cause cause;
    cause.rank = valueOr<int>(line, "rank", peer.rank);
    cause.error = {gone ? ErrorCode::Lost : runs::errorCodeFromText(textAt(line, "code")),
                   gone ? fmt::format("Rank {} on {} ended without a word: its espalier-cli was killed, or the machine went away.{}",
                                      peer.rank, peer.host, m_advice)
                        : textAt(line, "message"),
                   textAt(line, "detail")};
    cause.step = valueOr<std::int64_t>(line, "step", -1);
    cause.checkpoint = textAt(line, "checkpoint");
    cause.consequence = kind == "failed" && line.contains("consequence");
    // Rank 0 has heard from everybody, but this rank knows best what it told itself.
    if (!over || allConsequences())
        failed(std::move(cause));
    m_toldOver = m_toldOver || !leads();
}

void CommonEnd::watch(Clock::time_point now)
{
    if (!m_others)
        return;
    if (now - m_lastBeat >= m_patience.beat()) {
        m_lastBeat = now;
        m_others->say({{"kind", "alive"}}, true);
    }
    if (nears())
        return;
    for (const auto& peer : m_others->peers())
        if (!peer.left && now - peer.lastWord >= m_patience.silence)
            return failed({peer.rank,
                           {ErrorCode::Lost,
                            fmt::format("Rank {} on {} gave no sign of life for {}: its processes were stopped, or the machine or network "
                                        "went away.{}",
                                        peer.rank, peer.host, durationText(m_patience.silence), m_advice),
                            {}},
                           -1,
                           "",
                           false});
}

CommonEnd::Due CommonEnd::due(Clock::time_point now, bool several)
{
    if (!m_since)
        return m_firstDone && now - *m_firstDone > kLastWords ? Due::Hurry : Due::Nothing;
    if (m_terminated)
        return now - *m_terminated > m_patience.grace ? Due::Kill : Due::Nothing;
    if ((several || (m_others && leads())) && now - *m_since < patienceForCauses())
        return Due::Nothing;
    m_terminated = now;
    tellReason();
    return Due::Terminate;
}

bool CommonEnd::awaitsWord(Clock::time_point now) const
{
    if (!m_others || !m_since || m_atOnce)
        return false;
    if (!leads()) // rank 0 has the last word
        return !m_toldOver && now - *m_since < kVerdictWithin;
    return now - *m_since < patienceForCauses();
}

Cause CommonEnd::reason() const
{
    const auto best = std::ranges::find(m_causes, false, &Cause::consequence);
    if (best != m_causes.end())
        return *best;
    if (m_cancelled || m_causes.empty())
        return {m_rank, {ErrorCode::Cancelled, "Cancelled.", {}}, -1, "", false};
    return m_causes.front();
}

void CommonEnd::tellReason()
{
    if (!leads())
        return;
    auto cause = reason();
    cause.consequence = false;
    tell(cause);
}

bool CommonEnd::allConsequences() const
{
    return std::ranges::all_of(m_causes, &Cause::consequence);
}

/// The first to fail need not be the reason: one whose peer died speaks before the supervisor of that peer.
std::chrono::milliseconds CommonEnd::patienceForCauses() const
{
    return allConsequences() ? 4 * kCausesWithin : kCausesWithin;
}

/// Rank 0 tells everybody that it is over, the others tell rank 0 that they failed.
void CommonEnd::tell(const Cause& cause)
{
    if (!m_others || (leads() && std::exchange(m_toldOver, true)))
        return;
    Json line{{"kind", leads() ? "over" : "failed"},
              {"rank", cause.rank},
              {"code", runs::errorCodeText(cause.error.code)},
              {"message", cause.error.message},
              {"detail", cause.error.detail.substr(0, kLongestDetail)},
              {"step", cause.step},
              {"checkpoint", cause.checkpoint}};
    if (cause.consequence)
        line["consequence"] = true;
    m_others->say(line);
}

} // namespace espalier::cli
