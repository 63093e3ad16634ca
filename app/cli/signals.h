// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <csignal>

namespace espalier::cli {

/// SIGINT, SIGTERM and SIGHUP as wishes, SIGCHLD as news: blocked, and read from a descriptor in the main loop.
/// Made once by a command that supervises; children get the mask back that was before.
class Signals {
public:
    Signals();
    ~Signals();
    Signals(const Signals&) = delete;
    Signals& operator=(const Signals&) = delete;

    int fd() const { return m_fd; }
    /// Takes what has arrived.
    void take();
    /// How often the user asked to end.
    int asked() const { return m_asked; }
    const sigset_t& before() const { return m_before; }

private:
    int m_fd = -1, m_asked = 0;
    sigset_t m_before{};
};

} // namespace espalier::cli
