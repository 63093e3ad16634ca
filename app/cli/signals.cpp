// SPDX-License-Identifier: Apache-2.0
#include "app/cli/signals.h"

#include <sys/signalfd.h>
#include <unistd.h>

namespace espalier::cli {

Signals::Signals()
{
    std::signal(SIGPIPE, SIG_IGN);
    sigset_t wanted;
    sigemptyset(&wanted);
    for (const int each : {SIGINT, SIGTERM, SIGHUP, SIGCHLD}) {
        // What was ignored stays so: nohup means that the terminal's end is none of ours.
        struct sigaction now {};
        sigaction(each, nullptr, &now);
        if (each == SIGHUP && now.sa_handler == SIG_IGN)
            continue;
        if (now.sa_handler == SIG_IGN)
            std::signal(each, SIG_DFL); // a shell starts background jobs with SIGINT ignored; signalfd would not see it either
        sigaddset(&wanted, each);
    }
    sigprocmask(SIG_BLOCK, &wanted, &m_before);
    m_fd = ::signalfd(-1, &wanted, SFD_NONBLOCK | SFD_CLOEXEC);
}

Signals::~Signals()
{
    if (m_fd >= 0)
        ::close(m_fd);
    sigprocmask(SIG_SETMASK, &m_before, nullptr);
}

void Signals::take()
{
    signalfd_siginfo info;
    while (::read(m_fd, &info, sizeof info) == static_cast<ssize_t>(sizeof info))
        if (info.ssi_signo != SIGCHLD)
            ++m_asked;
}

} // namespace espalier::cli
