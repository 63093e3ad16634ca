// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/json.h"

#include <chrono>
#include <functional>
#include <string>
#include <vector>
#include <utility>

namespace espalier::cli {

/// JSON objects, a line each, over a connected socket. Never blocks; for a poll loop. One thread.
class Wire {
public:
    /// Takes over a connected socket.
    explicit Wire(int fd);
    Wire(Wire&& other) noexcept;
    Wire& operator=(Wire&& other) noexcept;
    ~Wire();

    int fd() const { return m_fd; }
    bool open() const { return m_fd >= 0 && !m_ended; }
    bool hasUnsent() const { return !m_unsent.empty(); }
    /// Queues a line and sends what the socket takes. One that `mayDrop` is left out while much is waiting.
    void say(const Json& line, bool mayDrop = false);
    void flush();
    /// Hands out the whole lines that have arrived. A peer that left, or one that talks something else, ends it.
    void read(const std::function<void(const Json&)>& hear);
    /// Says that nothing more will be said; what the peer still says can be read.
    void finish();

private:
    static constexpr std::size_t kMaxLine = 8u << 20, kMuchUnsent = 1u << 20;
    int m_fd = -1;
    bool m_ended = false;
    std::string m_rest, m_unsent;
};

/// A socket that other processes can connect to, and its port.
struct Listener {
    int fd = -1, port = 0;
};
/// `everywhere`: on all networks of this machine, else on the loopback alone. `port` 0: any free one. fd < 0: errno says why not.
Listener listenForRanks(bool everywhere, int port = 0);
/// Connects within `limit`, whatever the number of addresses behind the name; -1 where nobody answers.
int connectTo(const std::string& address, int port, std::chrono::milliseconds limit);
/// The same for processes that reach each other by loopback: containers of one machine may have networks of their own.
std::string networkIdentity();
/// Whether only this machine is reached there.
bool isLoopback(const std::string& address);
/// Addresses of this machine in its networks, for where nobody knows its name: no loopback, none that needs a scope.
std::vector<std::string> ownAddresses();
/// The network interface that a connection goes through ("eth0"); empty where it is the loopback, or not known.
std::string interfaceOf(int fd);

} // namespace espalier::cli
