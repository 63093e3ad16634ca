// SPDX-License-Identifier: Apache-2.0
#include "app/cli/meeting.h"

#include "core/base/files.h"
#include "core/base/json_value.h"
#include "core/base/parse_json.h"
#include "core/base/text.h"
#include "core/runs/lease.h"
#include "core/runs/worker_link.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

namespace espalier::cli {
namespace fs = std::filesystem;
using namespace std::chrono_literals;

namespace {

constexpr auto kTick = 100ms;
constexpr auto kConnect = 2s; // one attempt; the file may name a machine that is gone
constexpr auto kLeave = 2s;

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

} // namespace

std::chrono::seconds Meeting::patience()
{
    return runs::environment::seconds(runs::environment::kJoinSeconds, 30s);
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
    auto known = ownAddresses(); // for where nobody knows the name
    known.insert(known.begin(), {at.address, runs::hostName()});
    for (const auto& address : known)
        if (!address.empty())
            addresses.push_back(address);
    const Json json{{"addresses", addresses},       {"port", meeting->m_listener.port}, {"host", runs::hostName()},
                    {"network", networkIdentity()}, {"token", meeting->m_token},        {"welcome", meeting->m_welcome}};
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
        if (json.is_object() && textAt(json, "network") == networkIdentity())
            addresses.emplace_back("127.0.0.1");
        else if (json.is_object() && json.contains("addresses") && json["addresses"].is_array())
            for (const auto& each : json["addresses"])
                if (each.is_string())
                    addresses.push_back(each.get<std::string>());
        for (const auto& address : addresses) {
            const int fd = connectTo(address, valueOr(json, "port", 0), kConnect);
            if (fd < 0)
                continue;
            Peer zero{Wire(fd), 0, textAt(json, "host"), {}, textAt(json, "network"), address, {}, Clock::now(), false, false};
            zero.wire.say({{"kind", "here"},
                           {"token", textAt(json, "token")},
                           {"rank", meeting->m_place.rank},
                           {"world", meeting->m_place.worldSize},
                           {"host", runs::hostName()},
                           {"boot_id", runs::bootId()},
                           {"network", networkIdentity()},
                           {"reached", address}});
            // Anybody may listen there by now: only rank 0 knows the answer.
            std::optional<std::string> refused;
            for (const auto until = Clock::now() + kConnect; Clock::now() < until && zero.wire.open() && !zero.introduced && !refused;) {
                pollfd ready{zero.wire.fd(), POLLIN, 0};
                ::poll(&ready, 1, static_cast<int>(kTick.count()));
                zero.wire.read([&](const Json& line) {
                    if (textAt(line, "kind") == "refused")
                        refused = textAt(line, "message");
                    zero.introduced =
                        zero.introduced || (textAt(line, "kind") == "welcome" && textAt(line, "welcome") == textAt(json, "welcome"));
                });
            }
            if (refused && !refused->empty())
                return Error{ErrorCode::Usage, *refused, {}};
            if (!zero.introduced)
                continue;
            meeting->m_welcome = textAt(json, "welcome");
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
            const auto kind = textAt(line, "kind");
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
