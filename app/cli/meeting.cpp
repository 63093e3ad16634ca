// SPDX-License-Identifier: Apache-2.0
#include "app/cli/meeting.h"

#include "app/cli/free_port.h"
#include "core/base/files.h"
#include "core/base/parse_json.h"
#include "core/base/text.h"
#include "core/config/config.h"
#include "core/runs/events.h"
#include "core/runs/lease.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

namespace espalier::cli {
namespace fs = std::filesystem;
using namespace std::chrono_literals;

namespace {

constexpr auto kTick = 100ms;
constexpr auto kConnect = 2s; // one attempt; the file may name a machine that is gone
constexpr auto kReach = 8s;
constexpr auto kGatherToTell = 5s; // a run that cannot begin waits so long for ranks to tell it
constexpr auto kLeave = 2s;

std::string textOf(const Json& json, const char* key)
{
    const auto at = json.find(key);
    return at != json.end() && at->is_string() ? at->get<std::string>() : std::string();
}

int numberOf(const Json& json, const char* key, int otherwise)
{
    const auto at = json.find(key);
    return at != json.end() && at->is_number_integer() ? at->get<int>() : otherwise;
}

std::string secret()
{
    unsigned char bytes[16] = {};
    if (::getrandom(bytes, sizeof bytes, 0) != static_cast<ssize_t>(sizeof bytes))
        return std::to_string(Meeting::Clock::now().time_since_epoch().count());
    std::string text;
    for (const auto byte : bytes)
        text += fmt::format("{:02x}", byte);
    return text;
}

bool isLoopback(const std::string& address)
{
    return address == "localhost" || address == "::1" || address.starts_with("127.");
}

/// For this user's eyes: whoever reads it may speak for a rank.
Result<Done> writeSecretly(const fs::path& file, const std::string& text)
{
    const auto beside = fs::path(file.string() + ".part");
    ::unlink(beside.c_str());
    const int fd = ::open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return ioError("make", beside, errno);
    const bool put = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && ::fsync(fd) == 0;
    ::close(fd);
    if (!put || ::rename(beside.c_str(), file.c_str()) != 0)
        return ioError("write", file, errno);
    return Done{};
}

/// The meeting file, as a network disk shows it now: looking through the folder makes such a disk ask its server.
Json readMeetingFile(const fs::path& file)
{
    std::error_code error;
    for (fs::directory_iterator at(file.parent_path().empty() ? "." : file.parent_path(), error), end; !error && at != end;
         at.increment(error)) {
    }
    const auto text = readFile(file, 1 << 16);
    return text ? parseJson(*text) : Json();
}

std::string rankList(const std::vector<int>& ranks)
{
    std::string text;
    for (std::size_t i = 0; i < ranks.size(); ++i)
        text += fmt::format("{}{}", i == 0 ? "" : i + 1 == ranks.size() ? " and " : ", ", ranks[i]);
    return fmt::format("rank{} {}", ranks.size() == 1 ? "" : "s", text);
}

/// The first setting that differs, as a person would say it.
std::optional<std::string> difference(const Introduction& mine, const Introduction& theirs, int rank)
{
    if (mine.program != theirs.program)
        return fmt::format("Rank 0 is version {} of this program and rank {} is {}. Install the same on every machine.", mine.program, rank,
                           theirs.program);
    const auto differences = config::difference(mine.config, theirs.config);
    if (differences.empty())
        return std::nullopt;
    const auto& first = differences.front();
    return fmt::format("{} is {} on rank 0 and {} on rank {}. Start every rank with the same command.", first.path, first.before.dump(),
                       first.after.dump(), rank);
}

} // namespace

std::chrono::seconds Meeting::patience()
{
    const char* text = std::getenv("ESPALIER_JOIN_SECONDS");
    const long value = text ? std::strtol(text, nullptr, 10) : 0;
    return std::chrono::seconds(value > 0 ? value : 30);
}

Result<std::unique_ptr<Meeting>> Meeting::open(runs::Rendezvous place, fs::path file)
{
    auto meeting = std::unique_ptr<Meeting>(new Meeting(std::move(place), std::move(file)));
    const auto& at = meeting->m_place;
    meeting->m_listener = listenForRanks(!isLoopback(at.address) && at.localWorldSize != at.worldSize);
    if (meeting->m_listener.fd < 0)
        return ioError("listen for the other ranks of", meeting->m_file, errno);
    if (at.port != 0 && !at.agentHoldsStore) {
        meeting->m_stand = listenForRanks(!isLoopback(at.address), at.port);
        if (meeting->m_stand.fd < 0)
            return Error{ErrorCode::Usage,
                         fmt::format("Rank 0 cannot listen on port {} (MASTER_PORT): {}. Name a free one.", at.port, std::strerror(errno)),
                         {}};
    }
    meeting->m_token = secret();
    meeting->m_welcome = secret();
    Json addresses = Json::array();
    for (const auto& address : {at.address, runs::hostName()})
        if (!address.empty())
            addresses.push_back(address);
    const Json json{{"addresses", addresses},    {"port", meeting->m_listener.port}, {"host", runs::hostName()},
                    {"boot_id", runs::bootId()}, {"token", meeting->m_token},        {"welcome", meeting->m_welcome}};
    if (auto done = writeSecretly(meeting->m_file, json.dump() + "\n"); !done)
        return done.error();
    return meeting;
}

Result<std::unique_ptr<Meeting>> Meeting::find(runs::Rendezvous place, const fs::path& file, Signals& signals,
                                               const std::function<bool()>& idle)
{
    auto meeting = std::unique_ptr<Meeting>(new Meeting(std::move(place), file));
    const auto end = Clock::now() + patience();
    while (Clock::now() < end) {
        signals.take();
        if (signals.asked() > 0)
            return Error{ErrorCode::Cancelled, "Stopped while waiting for rank 0.", {}};
        if (idle())
            return std::unique_ptr<Meeting>();
        const auto json = readMeetingFile(file);
        std::vector<std::string> addresses;
        if (json.is_object() && textOf(json, "boot_id") == runs::bootId())
            addresses.emplace_back("127.0.0.1");
        else if (json.is_object() && json.contains("addresses") && json["addresses"].is_array())
            for (const auto& each : json["addresses"])
                if (each.is_string())
                    addresses.push_back(each.get<std::string>());
        for (const auto& address : addresses) {
            const int fd = connectTo(address, numberOf(json, "port", 0), kConnect);
            if (fd < 0)
                continue;
            Peer zero{Wire(fd), 0, textOf(json, "host"), textOf(json, "boot_id"), {}, Clock::now(), false, false};
            zero.wire.say({{"kind", "here"},
                           {"token", textOf(json, "token")},
                           {"rank", meeting->m_place.rank},
                           {"world", meeting->m_place.worldSize},
                           {"host", runs::hostName()},
                           {"boot_id", runs::bootId()}});
            // Anybody may listen there by now: only rank 0 knows the answer.
            std::optional<std::string> refused;
            for (const auto until = Clock::now() + kConnect; Clock::now() < until && zero.wire.open() && !zero.introduced && !refused;) {
                pollfd ready{zero.wire.fd(), POLLIN, 0};
                ::poll(&ready, 1, static_cast<int>(kTick.count()));
                zero.wire.read([&](const Json& line) {
                    if (textOf(line, "kind") == "refused")
                        refused = textOf(line, "message");
                    zero.introduced =
                        zero.introduced || (textOf(line, "kind") == "welcome" && textOf(line, "welcome") == textOf(json, "welcome"));
                });
            }
            if (refused && !refused->empty())
                return Error{ErrorCode::Usage, *refused, {}};
            if (!zero.introduced)
                continue;
            meeting->m_peers.push_back(std::move(zero));
            return meeting;
        }
        std::this_thread::sleep_for(kTick);
    }
    const auto& at = meeting->m_place;
    return Error{
        ErrorCode::Lost,
        fmt::format("Rank {} heard nothing of rank 0 within {}: {}there is no living {}. Check that rank 0 was started, and that every "
                    "rank sees that folder.",
                    at.rank, durationText(patience()),
                    at.address.empty() ? "" : fmt::format("it should be at {}:{}, and ", at.address, at.port), file.string()),
        {}};
}

Meeting::~Meeting()
{
    stopListening();
}

void Meeting::stopListening()
{
    if (m_stand.fd >= 0)
        ::close(std::exchange(m_stand.fd, -1));
    if (m_listener.fd < 0)
        return;
    ::close(std::exchange(m_listener.fd, -1));
    std::error_code ignored;
    fs::remove(m_file, ignored);
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
        m_peers.push_back({Wire(fd), -1, {}, {}, {}, Clock::now(), false, false});
}

void Meeting::hearFirst(Peer& peer, const Json& line)
{
    const auto kind = textOf(line, "kind");
    if (kind == "here" && textOf(line, "token") == m_token) {
        peer.rank = numberOf(line, "rank", -1);
        peer.host = textOf(line, "host");
        peer.boot = textOf(line, "boot_id");
        if (numberOf(line, "world", 0) != m_place.worldSize || peer.rank < 1 || peer.rank >= m_place.worldSize)
            m_problem = Error{ErrorCode::Usage,
                              fmt::format("Rank 0 was started as one of {} ranks, and rank {} on {} as one of {}. Start them together.",
                                          m_place.worldSize, peer.rank, peer.host, numberOf(line, "world", 0)),
                              {}};
        for (const auto& other : m_peers)
            if (&other != &peer && other.rank == peer.rank && other.wire.open())
                m_problem = Error{ErrorCode::Usage,
                                  fmt::format("Two processes say that they are rank {}, on {} and on {}. Give every rank its own number.",
                                              peer.rank, other.host, peer.host),
                                  {}};
        peer.wire.say({{"kind", "welcome"}, {"welcome", m_welcome}});
    } else if (kind == "unreachable" && peer.rank > 0) {
        m_problem = Error{ErrorCode::Lost, textOf(line, "message"), {}};
    } else if (kind == "introduction" && peer.rank > 0) {
        peer.says = {line.value("config", Json::object()), textOf(line, "program"), textOf(line, "gpu")};
        peer.introduced = true;
    } else if (peer.rank < 1) {
        peer = Peer{Wire(-1), -1, {}, {}, {}, {}, false, true}; // nobody of ours
    }
}

/// The address that was named must be that of rank 0, seen from every rank: workers would look for it much longer and say less.
std::optional<Error> Meeting::unreachable() const
{
    if (m_place.port == 0)
        return std::nullopt;
    const int fd = connectTo(m_place.address, m_place.port, kReach);
    if (fd < 0)
        return Error{
            ErrorCode::Lost,
            fmt::format("Rank {} got no answer from {}:{} (MASTER_ADDR and MASTER_PORT) within {}. Check that the address is that of rank "
                        "0's machine and can be reached from this one ({}).",
                        m_place.rank, m_place.address, m_place.port, durationText(kReach), runs::hostName()),
            {}};
    ::close(fd);
    return std::nullopt;
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
                fmt::format("{} of the {} other ranks did not come within {}. Check that all were started, with the same --run folder.",
                            missing.size(), m_place.worldSize - 1, wait),
                {}};
    return {ErrorCode::Lost,
            fmt::format("Rank 0 waited {} for {}. Check that every rank was started, with the same --run folder{}.", wait,
                        rankList(missing),
                        m_place.address.empty() || isLoopback(m_place.address)
                            ? ""
                            : fmt::format(", and that this machine ({}) can be reached from it", m_place.address)),
            {}};
}

Result<Agreement> Meeting::gather(const Introduction& mine, Signals& signals, const std::function<void()>& tick)
{
    const auto unreached = unreachable();
    const auto end = Clock::now() + patience(), toTell = Clock::now() + kGatherToTell;
    for (;;) {
        std::vector<pollfd> fds{{signals.fd(), POLLIN, 0}, {m_listener.fd, POLLIN, 0}};
        for (const auto& peer : m_peers)
            if (peer.wire.open())
                fds.push_back({peer.wire.fd(), POLLIN, 0});
        ::poll(fds.data(), fds.size(), 500);
        tick();
        signals.take();
        if (signals.asked() > 0)
            return refuse({ErrorCode::Cancelled, "Stopped while the ranks gathered.", {}});
        acceptAll();
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
    const auto onMachine = [&](const std::string& which) {
        return static_cast<int>(std::count_if(uses.begin(), uses.end(), [&](const Use& use) { return use.boot == which; }));
    };
    Agreement agreed{m_place.address, m_place.port, m_token.substr(0, 8) + fmt::format("-{}", m_place.restart), onMachine(boot)};
    if (agreed.port == 0) { // nobody named one
        agreed.port = freePort();
        if (agreed.localWorldSize == m_place.worldSize)
            agreed.address = "127.0.0.1";
        else if (agreed.address.empty() || !runs::hostName().starts_with(agreed.address.substr(0, agreed.address.find('.'))))
            agreed.address = runs::hostName();
    }
    for (auto& peer : m_peers)
        peer.wire.say({{"kind", "agreed"},
                       {"address", agreed.address},
                       {"port", agreed.port},
                       {"name", agreed.name},
                       {"local_world_size", onMachine(peer.boot)}});
    return agreed;
}

Result<Agreement> Meeting::waitForVerdict(const Introduction& mine, Signals& signals, const std::function<void()>& tick)
{
    auto& zero = m_peers.front();
    if (const auto problem = unreachable())
        zero.wire.say({{"kind", "unreachable"}, {"message", problem->message}});
    zero.wire.say({{"kind", "introduction"}, {"config", mine.config}, {"program", mine.program}, {"gpu", mine.gpu}});
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
            const auto kind = textOf(line, "kind");
            if (kind == "agreed")
                verdict = Agreement{textOf(line, "address"), numberOf(line, "port", 0), textOf(line, "name"),
                                    numberOf(line, "local_world_size", 1)};
            else if (kind == "refused")
                verdict = Error{runs::errorCodeFromText(textOf(line, "code")), textOf(line, "message"), {}};
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

void Meeting::addTo(std::vector<pollfd>& fds) const
{
    for (const auto& peer : m_peers)
        if (peer.wire.open())
            fds.push_back({peer.wire.fd(), static_cast<short>(POLLIN | (peer.wire.hasUnsent() ? POLLOUT : 0)), 0});
}

void Meeting::exchange(const std::function<void(const Peer&, const Json&)>& hear)
{
    for (auto& peer : m_peers) {
        if (!peer.wire.open())
            continue;
        peer.wire.flush();
        peer.wire.read([&](const Json& line) {
            peer.lastWord = Clock::now();
            const auto kind = textOf(line, "kind");
            peer.left = peer.left || kind == "leave";
            if (!kind.empty() && kind != "alive" && kind != "leave")
                hear(peer, line);
        });
        if (!peer.wire.open() && !std::exchange(peer.left, true))
            hear(peer, {{"kind", "gone"}});
    }
}

void Meeting::say(const Json& line, bool mayDrop)
{
    for (auto& peer : m_peers)
        peer.wire.say(line, mayDrop);
}

// Closing with something unread would take back what was just said: so read to the others' end.
void Meeting::leave()
{
    say({{"kind", "leave"}});
    for (auto& peer : m_peers)
        peer.wire.finish();
    const auto anyOpen = [&] { return std::any_of(m_peers.begin(), m_peers.end(), [](const auto& peer) { return peer.wire.open(); }); };
    for (const auto end = Clock::now() + kLeave; anyOpen() && Clock::now() < end;) {
        std::vector<pollfd> fds;
        addTo(fds);
        ::poll(fds.data(), fds.size(), static_cast<int>(kTick.count()));
        for (auto& peer : m_peers)
            peer.wire.read([](const Json&) {});
    }
}

} // namespace espalier::cli
