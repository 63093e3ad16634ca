// SPDX-License-Identifier: Apache-2.0
#pragma once

// How the supervisors of ranks that torchrun, Slurm or mpirun started find each other and stay in touch. Rank 0 listens and writes where
// into the meeting file, in the run folder that all of them see; the others connect. Before any worker starts they agree; afterwards each
// hears within seconds when another's rank failed, ended or fell silent, and why.

#include "app/cli/signals.h"
#include "app/cli/wire.h"
#include "core/base/result.h"
#include "core/runs/rendezvous.h"

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <poll.h>
#include <string>
#include <utility>
#include <vector>

namespace espalier::cli {

/// What every rank tells of itself before the first step.
struct Introduction {
    Json config = Json::object(); // the whole configuration that its command asks for
    std::string program;          // version
    std::string gpu;              // UUID of the GPU that its worker will use; empty: none, or not known
    Json job = Json();            // what is asked of a job that is no training
};

/// What rank 0 tells the others when all agree.
struct Agreement {
    std::string address; // where workers meet
    int port = 0;
    std::string name;        // of this attempt: no other has the same
    int localWorldSize = 1;  // ranks on this rank's machine
    std::string interface{}; // by which this rank and others of other machines reach each other; empty: not known, or there are none

    /// What a worker reads of its place among `world` ranks.
    std::vector<std::pair<std::string, std::string>> environment(int rank, int localRank, int world, bool agentHoldsStore) const;
};

class Meeting {
public:
    using Clock = std::chrono::steady_clock;
    struct Peer {
        Wire wire;
        int rank = -1;                   // -1: has not said yet
        std::string host, boot, network; // network: of those that reach each other by loopback
        std::string reached;             // the address at which rank 0 was found
        Introduction says;
        Clock::time_point lastWord{};
        bool introduced = false, left = false;
    };

    /// For rank 0.
    static Result<std::unique_ptr<Meeting>> open(runs::Rendezvous place, std::filesystem::path file);
    /// For the others: waits for rank 0 and connects. Nothing when `idle` became true meanwhile: there is nothing to do.
    static Result<std::unique_ptr<Meeting>> find(runs::Rendezvous place, const std::filesystem::path& file, Signals& signals,
                                                 const std::function<bool()>& idle);
    ~Meeting();
    Meeting(const Meeting&) = delete;
    Meeting& operator=(const Meeting&) = delete;

    /// Waits until all ranks are here, and compares what they say: an error, the same on every rank, names the first difference.
    /// `tick` is called about twice a second.
    Result<Agreement> agree(const Introduction& mine, Signals& signals, const std::function<void()>& tick);

    /// After agree(). Rank 0 has a peer for each other rank, the others have one: rank 0.
    const std::vector<Peer>& peers() const { return m_peers; }
    void addTo(std::vector<pollfd>& fds) const;
    /// Hands out what has arrived; a peer that is gone says {"kind": "gone"} once, unless it took its leave.
    void exchange(const std::function<void(const Peer&, const Json&)>& hear);
    /// To all peers.
    void say(const Json& line, bool mayDrop = false);
    /// Sends what is left to say and waits up to two seconds for the others to have heard it.
    void leave();

    /// What ESPALIER_JOIN_SECONDS says: how long ranks wait for each other (30).
    static std::chrono::seconds patience();

private:
    Meeting(runs::Rendezvous place, std::filesystem::path file) : m_place(std::move(place)), m_file(std::move(file)) {}
    void stopListening();
    // meeting_agrees.cpp
    void acceptAll();
    void hearFirst(Peer& peer, const Json& line);
    Result<Agreement> gather(const Introduction& mine, Signals& signals, const std::function<void()>& tick);
    Result<Agreement> conclude(const Introduction& mine);
    Result<Agreement> waitForVerdict(const Introduction& mine, Signals& signals, const std::function<void()>& tick);
    Error nobodyElse() const;
    Error refuse(Error error);
    std::optional<Error> unreachable();
    void greetAtStand();

    runs::Rendezvous m_place;
    std::filesystem::path m_file;
    Listener m_listener;
    Listener m_stand; // rank 0, where a port was named: stands for the store of its worker until all have reached it, and says who it is
    std::string m_token, m_welcome; // what a rank, and what rank 0 says to be believed
    std::vector<Peer> m_peers;
    std::optional<Error> m_problem; // somebody came who cannot take part
};

} // namespace espalier::cli
