// SPDX-License-Identifier: Apache-2.0
#include "core/generation/shard_images.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <exception>

namespace espalier::generation {

ShardImages::ShardImages(const data::Dataset& dataset, std::int64_t first, std::int64_t count, int workers, Log log)
    : m_dataset(dataset), m_first(first), m_log(std::move(log)), m_images(at::zeros({count, dataset.side(), dataset.side(), 3}, at::kByte)),
      m_done(static_cast<std::size_t>(count)), m_broken(static_cast<std::size_t>(count))
{
    for (int i = 0; i < std::max(workers, 1); ++i)
        m_threads.emplace_back([this](std::stop_token stop) { decode(stop); });
}

ShardImages::~ShardImages()
{
    for (auto& thread : m_threads)
        thread.request_stop();
    m_threads.clear();
}

void ShardImages::decode(std::stop_token stop)
{
    const auto bytes = m_dataset.imageBytes();
    auto* pixels = m_images.data_ptr<std::uint8_t>();
    try {
        while (!stop.stop_requested()) {
            std::size_t i = 0;
            {
                const std::lock_guard lock(m_mutex);
                if (m_next == m_images.size(0) || m_failure)
                    return;
                i = static_cast<std::size_t>(m_next++);
            }
            std::int32_t label = 0;
            const std::span into{pixels + i * bytes, bytes};
            const auto index = m_first + static_cast<std::int64_t>(i);
            const auto read = m_dataset.read(index, into, label);
            const bool fatal = !read && read.error().code != ErrorCode::Io && read.error().code != ErrorCode::Format;
            if (!read) {
                std::fill(into.begin(), into.end(), std::uint8_t{0});
                if (m_log && !fatal)
                    m_log(LogLevel::Warning, fmt::format("{} is passed over: {}", m_dataset.nameOf(index), read.error().message));
            }
            const std::lock_guard lock(m_mutex);
            m_done[i] = 1;
            m_broken[i] = read ? 0 : 1;
            if (fatal)
                m_failure = read.error();
            m_decoded.notify_all();
        }
    } catch (const std::exception& problem) {
        const std::lock_guard lock(m_mutex);
        m_failure =
            Error{ErrorCode::Memory, "Decoding the images failed, probably for lack of memory; lower data.workers.", problem.what()};
        m_decoded.notify_all();
    }
}

Result<at::Tensor> ShardImages::take(std::int64_t from, std::int64_t n)
{
    std::unique_lock lock(m_mutex);
    const auto begin = m_done.begin() + from;
    m_decoded.wait(lock, [&] { return m_failure || std::all_of(begin, begin + n, [](char done) { return done != 0; }); });
    if (m_failure)
        return *m_failure;
    return m_images.narrow(0, from, n);
}

std::vector<std::int64_t> ShardImages::broken() const
{
    const std::lock_guard lock(m_mutex);
    std::vector<std::int64_t> places;
    for (std::size_t i = 0; i < m_broken.size(); ++i)
        if (m_broken[i] != 0)
            places.push_back(m_first + static_cast<std::int64_t>(i));
    return places;
}

} // namespace espalier::generation
