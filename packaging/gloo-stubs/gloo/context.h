// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gloo/algorithm.h>

namespace gloo {
class Context {
public:
    void setTimeout(std::chrono::milliseconds timeout);
};
} // namespace gloo
