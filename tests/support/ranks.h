// SPDX-License-Identifier: Apache-2.0
#pragma once

// For suites with LibTorch: several ranks as processes on loopback.

#include "core/parallel/process_group.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <functional>
#include <netinet/in.h>
#include <string>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace espalier::tests {

inline int freePort()
{
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    ::bind(fd, reinterpret_cast<sockaddr*>(&address), length);
    ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
    ::close(fd);
    return ntohs(address.sin_port);
}

/// Runs `body(group)` on `world` ranks, each a process; a rank fails by returning a sentence. Call before the test itself uses several
/// threads: a forked child has none of them.
inline void onRanks(int world, const std::function<std::string(std::shared_ptr<parallel::ProcessGroup>)>& body)
{
    const int port = freePort();
    std::vector<pid_t> children;
    for (int rank = 0; rank < world; ++rank) {
        const pid_t child = ::fork();
        if (child == 0) {
            ::alarm(120);
            auto group = parallel::ProcessGroup::join({rank, world, rank, "127.0.0.1", port}, at::kCPU);
            std::string problem = group ? body(*group) : group.error().message + " " + group.error().detail;
            if (!problem.empty())
                std::fprintf(stderr, "rank %d: %s\n", rank, problem.c_str());
            if (group)
                (*group)->leave();
            ::_exit(problem.empty() ? 0 : 1);
        }
        children.push_back(child);
    }
    for (const pid_t child : children) {
        int status = 0;
        ASSERT_EQ(::waitpid(child, &status, 0), child);
        EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
}

} // namespace espalier::tests
