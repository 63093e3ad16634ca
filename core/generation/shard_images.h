// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/log.h"
#include "core/data/dataset.h"

#include <ATen/core/Tensor.h>

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace espalier::generation {

/// Some images of a set, decoded by threads ahead of whoever takes them in order.
class ShardImages {
public:
    ShardImages(const data::Dataset& dataset, std::int64_t first, std::int64_t count, int workers, Log log);
    ~ShardImages(); // stops and joins the threads

    /// Images [from, from + n) of these, uint8 [n, side, side, 3]; waits until they are there. An image that cannot be read is black.
    Result<at::Tensor> take(std::int64_t from, std::int64_t n);
    /// Of those taken: places in the set, ascending.
    std::vector<std::int64_t> broken() const;

private:
    void decode(std::stop_token stop);

    const data::Dataset& m_dataset;
    const std::int64_t m_first;
    const Log m_log;
    at::Tensor m_images;
    mutable std::mutex m_mutex; // what follows, up to the threads
    std::condition_variable m_decoded;
    std::int64_t m_next = 0;
    std::vector<char> m_done, m_broken;
    std::optional<Error> m_failure;
    std::vector<std::jthread> m_threads; // last: joined before the rest goes
};

} // namespace espalier::generation
