// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <unistd.h>

namespace espalier {

/// Closes a file descriptor when it goes.
struct Descriptor {
    explicit Descriptor(int descriptor = -1) : fd(descriptor) {}
    ~Descriptor()
    {
        if (fd >= 0)
            ::close(fd);
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    int fd;
};

} // namespace espalier
