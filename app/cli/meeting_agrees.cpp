// SPDX-License-Identifier: Apache-2.0
// What ranks compare before the first step.
#include "app/cli/free_port.h"
#include "app/cli/meeting.h"
#include "core/base/json_value.h"
#include "core/base/text.h"
#include "core/config/config.h"
#include "core/runs/events.h"
#include "core/runs/lease.h"
#include "core/runs/worker_link.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <sys/socket.h>
#include <unistd.h>

namespace espalier::cli {
using namespace std::chrono_literals;

namespace {

constexpr std::chrono::seconds kReach = 8s;
constexpr std::chrono::seconds kGatherToTell = 5s; // a run that cannot begin waits so long for ranks to tell it

std::string rankList(const std::vector<int>& ranks)
{
    std::string text;
    for (std::size_t i = 0; i < ranks.size(); ++i)
        text += fmt::format("{}{}", i == 0 ? "" : i + 1 == ranks.size() ? " and " : ", ", ranks[i]);
    return fmt::format("rank{} {}", ranks.size() == 1 ? "" : "s", text);
}

/// The first place where two requests differ: its path, and what is there on either side.
std::optional<std::string> firstDifference(const Json& mine, const Json& theirs, const std::string& path, int rank)
{
    if (mine == theirs)
        return std::nullopt;
    if (mine.is_object() && theirs.is_object()) {
        for (const auto* side : {&mine, &theirs})
            for (const auto& [key, value] : side->items())
                if (auto found =
                        firstDifference(mine.value(key, Json()), theirs.value(key, Json()), path.empty() ? key : path + "." + key, rank))
                    return found;
    }
    return fmt::format("{} is {} on rank 0 and {} on rank {}. Start every rank with the same command.", path, mine.dump(), theirs.dump(),
                       rank);
}

/// The first setting that differs, as a person would say it.
std::optional<std::string> difference(const Introduction& mine, const Introduction& theirs, int rank)
{
    if (mine.program != theirs.program)
        return fmt::format("Rank 0 is version {} of this program and rank {} is {}. Install the same on every machine.", mine.program, rank,
                           theirs.program);
    if (auto found = firstDifference(mine.job, theirs.job, "", rank))
        return found;
    const auto differences = config::difference(mine.config, theirs.config);
    if (differences.empty())
        return std::nullopt;
    const auto& first = differences.front();
    return fmt::format("{} is {} on rank 0 and {} on rank {}. Start every rank with the same command.", first.path, first.before.dump(),
                       first.after.dump(), rank);
}

} // namespace

std::vector<std::pair<std::string, std::string>> Agreement::environment(int rank, int localRank, int world, bool agentHoldsStore) const
{
    std::vector<std::pair<std::string, std::string>> all{{"RANK", std::to_string(rank)},
                                                         {"LOCAL_RANK", std::to_string(localRank)},
                                                         {"WORLD_SIZE", std::to_string(world)},
                                                         {"LOCAL_WORLD_SIZE", std::to_string(localWorldSize)},
                                                         {"MASTER_ADDR", address},
                                                         {"MASTER_PORT", std::to_string(port)},
                                                         {"TORCHELASTIC_USE_AGENT_STORE", agentHoldsStore ? "True" : "False"},
                                                         {runs::environment::kAttempt, name}};
    constexpr const char* kGlooInterface = "GLOO_SOCKET_IFNAME";
    if (!interface.empty() && std::getenv(kGlooInterface) == nullptr) // Gloo asks for the machine's own name, which need not be known
        all.emplace_back(kGlooInterface, interface);
    return all;
}

Result<Agreement> Meeting::agree(const Introduction& mine, Signals& signals, const std::function<void()>& tick)
{
    auto agreed = m_place.rank == 0 ? gather(mine, signals, tick) : waitForVerdict(mine, signals, tick);
    stopListening();
    const auto now = Clock::now();
    for (auto& peer : m_peers)
        peer.lastWord = now;
    return agreed;
}

void Meeting::acceptAll()
{
    for (int fd; (fd = ::accept4(m_listener.fd, nullptr, nullptr, SOCK_CLOEXEC)) >= 0;)
        m_peers.push_back({Wire(fd), -1, {}, {}, {}, {}, {}, Clock::now(), false, false});
}

void Meeting::hearFirst(Peer& peer, const Json& line)
{
    const auto kind = textAt(line, "kind");
    if (kind == "here" && textAt(line, "token") == m_token) {
        peer.rank = valueOr(line, "rank", -1);
        peer.host = textAt(line, "host");
        peer.boot = textAt(line, "boot_id");
        peer.network = textAt(line, "network");
        peer.reached = textAt(line, "reached");
        if (valueOr(line, "world", 0) != m_place.worldSize || peer.rank < 1 || peer.rank >= m_place.worldSize)
            m_problem = Error{ErrorCode::Usage,
                              fmt::format("Rank 0 was started as one of {} ranks, and rank {} on {} as one of {}. Start them together.",
                                          m_place.worldSize, peer.rank, peer.host, valueOr(line, "world", 0)),
                              {}};
        for (const auto& other : m_peers)
            if (&other != &peer && other.rank == peer.rank && other.wire.open())
                m_problem = Error{ErrorCode::Usage,
                                  fmt::format("Two processes say that they are rank {}, on {} and on {}. Give every rank its own number.",
                                              peer.rank, other.host, peer.host),
                                  {}};
        peer.wire.say({{"kind", "welcome"}, {"welcome", m_welcome}});
    } else if (kind == "unreachable" && peer.rank > 0) {
        m_problem = Error{ErrorCode::Lost, textAt(line, "message"), {}};
    } else if (kind == "introduction" && peer.rank > 0) {
        peer.says = {line.value("config", Json::object()), textAt(line, "program"), textAt(line, "gpu"), line.value("job", Json())};
        peer.introduced = true;
    } else if (peer.rank < 1) {
        peer = Peer{Wire(-1), -1, {}, {}, {}, {}, {}, {}, false, true}; // nobody of ours
    }
}

/// Whoever comes to the port that was named learns that rank 0 is there.
void Meeting::greetAtStand()
{
    for (int fd; m_stand.fd >= 0 && (fd = ::accept4(m_stand.fd, nullptr, nullptr, SOCK_CLOEXEC)) >= 0;)
        Wire(fd).say({{"kind", "stand"}, {"welcome", m_welcome}});
}

/// The address that was named must be that of rank 0, seen from every rank: workers would look for it much longer and say less.
std::optional<Error> Meeting::unreachable()
{
    if (m_place.port == 0)
        return std::nullopt;
    // Rank 0 looks first, and the others wait for it meanwhile.
    const auto limit = std::min<std::chrono::milliseconds>(kReach, std::chrono::milliseconds(patience()) / 3);
    const auto end = Clock::now() + limit;
    const int fd = connectTo(m_place.address, m_place.port, limit);
    if (fd < 0)
        return Error{
            ErrorCode::Lost,
            fmt::format("Rank {} got no answer from {}:{} (MASTER_ADDR and MASTER_PORT) within {}. Check that the address is that of rank "
                        "0's machine and can be reached from this one ({}).",
                        m_place.rank, m_place.address, m_place.port, durationText(limit), runs::hostName()),
            {}};
    Wire there(fd);
    bool ours = m_place.agentHoldsStore; // the launcher's own, which it has just used
    while (!ours && there.open() && Clock::now() < end) {
        std::vector<pollfd> fds{{there.fd(), POLLIN, 0}};
        if (m_stand.fd >= 0) // rank 0 visits itself
            fds.push_back({m_stand.fd, POLLIN, 0});
        ::poll(fds.data(), fds.size(), 100);
        greetAtStand();
        there.read([&](const Json& line) { ours = ours || (textAt(line, "kind") == "stand" && textAt(line, "welcome") == m_welcome); });
    }
    if (ours)
        return std::nullopt;
    return Error{
        ErrorCode::Lost,
        fmt::format("Rank {} reached {}:{} (MASTER_ADDR and MASTER_PORT) from {}, but something else answers there, not rank 0. Name "
                    "rank 0's machine, and a port of it that nobody uses.",
                    m_place.rank, m_place.address, m_place.port, runs::hostName()),
        {}};
}

Error Meeting::refuse(Error error)
{
    say({{"kind", "refused"}, {"code", runs::errorCodeText(error.code)}, {"message", error.message}});
    return error;
}

Error Meeting::nobodyElse() const
{
    std::vector<int> missing;
    for (int rank = 1; rank < m_place.worldSize; ++rank)
        if (std::none_of(m_peers.begin(), m_peers.end(), [&](const auto& peer) { return peer.rank == rank && peer.introduced; }))
            missing.push_back(rank);
    const auto wait = durationText(patience());
    if (missing.size() > 8)
        return {ErrorCode::Lost,
                fmt::format("{} of the {} other ranks did not come within {}. Check that all were started, with the same command.",
                            missing.size(), m_place.worldSize - 1, wait),
                {}};
    return {ErrorCode::Lost,
            fmt::format("Rank 0 waited {} for {}. Check that every rank was started, with the same command{}.", wait, rankList(missing),
                        m_place.address.empty() || isLoopback(m_place.address)
                            ? ""
                            : fmt::format(", and that this machine ({}) can be reached from it", m_place.address)),
            {}};
}

Result<Agreement> Meeting::gather(const Introduction& mine, Signals& signals, const std::function<void()>& tick)
{
    const auto unreached = unreachable();
    const auto end = Clock::now() + patience(), toTell = Clock::now() + std::min(kGatherToTell, patience());
    for (;;) {
        std::vector<pollfd> fds{{signals.fd(), POLLIN, 0}, {m_listener.fd, POLLIN, 0}};
        if (m_stand.fd >= 0)
            fds.push_back({m_stand.fd, POLLIN, 0});
        for (const auto& peer : m_peers)
            if (peer.wire.open())
                fds.push_back({peer.wire.fd(), POLLIN, 0});
        ::poll(fds.data(), fds.size(), 500);
        tick();
        signals.take();
        if (signals.asked() > 0)
            return refuse({ErrorCode::Cancelled, "Stopped while the ranks gathered.", {}});
        acceptAll();
        greetAtStand();
        for (auto& peer : m_peers)
            peer.wire.read([&](const Json& line) { hearFirst(peer, line); });
        std::erase_if(m_peers, [](const Peer& peer) { return !peer.wire.open() && !peer.introduced; });
        if (m_problem)
            return refuse(*m_problem);
        for (const auto& peer : m_peers)
            if (!peer.wire.open())
                return refuse({ErrorCode::Lost, fmt::format("Rank {} on {} left before the run began.", peer.rank, peer.host), {}});
        const auto here = std::count_if(m_peers.begin(), m_peers.end(), [](const auto& peer) { return peer.introduced; });
        if (unreached && (here == m_place.worldSize - 1 || Clock::now() > toTell))
            return refuse(*unreached);
        if (here == m_place.worldSize - 1)
            return conclude(mine);
        if (Clock::now() > end)
            return refuse(nobodyElse());
    }
}

Result<Agreement> Meeting::conclude(const Introduction& mine)
{
    std::erase_if(m_peers, [](const Peer& peer) { return !peer.introduced; });
    std::sort(m_peers.begin(), m_peers.end(), [](const Peer& a, const Peer& b) { return a.rank < b.rank; });
    const auto boot = runs::bootId();
    for (const auto& peer : m_peers)
        if (const auto why = difference(mine, peer.says, peer.rank))
            return refuse({ErrorCode::Usage, *why, {}});
    struct Use {
        int rank;
        std::string gpu, boot;
    };
    std::vector<Use> uses{{0, mine.gpu, boot}};
    for (const auto& peer : m_peers)
        uses.push_back({peer.rank, peer.says.gpu, peer.boot});
    for (std::size_t i = 0; i < uses.size(); ++i)
        for (std::size_t k = 0; k < i; ++k)
            if (!uses[i].gpu.empty() && uses[i].gpu == uses[k].gpu && uses[i].boot == uses[k].boot)
                return refuse({ErrorCode::Usage,
                               fmt::format("Ranks {} and {} would both train on GPU {}. Give each rank a GPU of its own.", uses[k].rank,
                                           uses[i].rank, uses[i].gpu),
                               "devices"});
    const auto here = networkIdentity();
    const auto together = [&](const std::string& which) {
        return static_cast<int>(std::ranges::count(m_peers, which, &Peer::network)) + (which == here ? 1 : 0);
    };
    Agreement agreed{m_place.address, m_place.port, m_token.substr(0, 8) + fmt::format("-{}", m_place.restart), together(here)};
    const auto elsewhere = std::ranges::find_if(m_peers, [&](const Peer& peer) { return peer.network != here; });
    if (elsewhere != m_peers.end())
        agreed.interface = interfaceOf(elsewhere->wire.fd());
    const bool named = agreed.port != 0;
    if (!named) { // workers find each other where we did
        agreed.port = freePort();
        agreed.address = elsewhere == m_peers.end() ? "127.0.0.1" : elsewhere->reached;
    }
    for (auto& peer : m_peers)
        peer.wire.say({{"kind", "agreed"},
                       {"address", named || peer.network == here ? agreed.address : peer.reached},
                       {"port", agreed.port},
                       {"name", agreed.name},
                       {"local_world_size", together(peer.network)}});
    return agreed;
}

Result<Agreement> Meeting::waitForVerdict(const Introduction& mine, Signals& signals, const std::function<void()>& tick)
{
    auto& zero = m_peers.front();
    if (const auto problem = unreachable())
        zero.wire.say({{"kind", "unreachable"}, {"message", problem->message}});
    zero.wire.say({{"kind", "introduction"}, {"config", mine.config}, {"program", mine.program}, {"gpu", mine.gpu}, {"job", mine.job}});
    std::optional<Result<Agreement>> verdict;
    const auto end = Clock::now() + 2 * patience(); // rank 0 waits for the others as long as it said
    while (!verdict) {
        std::vector<pollfd> fds{{signals.fd(), POLLIN, 0}, {zero.wire.fd(), POLLIN, 0}};
        if (zero.wire.hasUnsent())
            fds.back().events |= POLLOUT;
        ::poll(fds.data(), fds.size(), 500);
        tick();
        signals.take();
        zero.wire.flush();
        zero.wire.read([&](const Json& line) {
            const auto kind = textAt(line, "kind");
            if (kind == "agreed")
                verdict =
                    Agreement{textAt(line, "address"), valueOr(line, "port", 0), textAt(line, "name"), valueOr(line, "local_world_size", 1),
                              zero.network == networkIdentity() ? std::string() : interfaceOf(zero.wire.fd())};
            else if (kind == "refused")
                verdict = Error{runs::errorCodeFromText(textAt(line, "code")), textAt(line, "message"), {}};
        });
        if (verdict)
            break;
        if (signals.asked() > 0)
            verdict = Error{ErrorCode::Cancelled, "Stopped while the ranks gathered.", {}};
        else if (!zero.wire.open() || Clock::now() > end)
            verdict = Error{ErrorCode::Lost, fmt::format("Rank 0 on {} left before the run began. What it said tells why.", zero.host), {}};
    }
    return *verdict;
}

} // namespace espalier::cli
