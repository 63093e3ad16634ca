// SPDX-License-Identifier: Apache-2.0
#pragma once

// LibTorch links Gloo but ships none of its headers. These five declare just the names that the declaration of
// c10d::ProcessGroupGloo mentions, so that it compiles. Only its constructor, its options, createDeviceFor… and its
// collectives may be used: objects of the classes below must never be made on our side, since their layout is not the real one.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace gloo {
class Context;
namespace transport {
class Device;
class UnboundBuffer;
} // namespace transport
} // namespace gloo
