// SPDX-License-Identifier: Apache-2.0
#include "core/data/broken_images.h"

#include "core/base/text.h"

#include <fmt/format.h>

namespace espalier::data {

Result<Done> BrokenImages::readFrom(const Permutation& order, std::int64_t position, const ReadImage& readImage)
{
    // Ends: at most one image in a hundred is passed over before `remember` refuses.
    for (std::int64_t size = m_dataset.size(), at = position % size;; at = (at + 1) % size) {
        const std::int64_t index = order(at);
        if (isKnown(index))
            continue;
        auto read = readImage(index);
        if (read)
            return Done{};
        const ErrorCode code = read.error().code;
        if (code != ErrorCode::Io && code != ErrorCode::Format)
            return read;
        if (auto more = remember(index, read.error()); !more)
            return more;
    }
}

bool BrokenImages::isKnown(std::int64_t index)
{
    if (m_count.load() == 0) // nearly always: no lock per image
        return false;
    std::lock_guard lock(m_mutex);
    return m_indices.contains(index);
}

Result<Done> BrokenImages::remember(std::int64_t index, const Error& why)
{
    std::int64_t count = 0;
    {
        std::lock_guard lock(m_mutex);
        if (!m_indices.insert(index).second)
            return Done{}; // another thread met it at the same time
        count = static_cast<std::int64_t>(m_indices.size());
        m_count = count;
    }
    const std::string name = m_dataset.nameOf(index);
    if (count * 100 > m_dataset.size())
        return Error{ErrorCode::Format,
                     fmt::format("More than 1 % of the images cannot be read: {} of {} so far, the last {}; repair or remove them.", count,
                                 groupedNumber(m_dataset.size()), name),
                     why.message};
    if (m_log) {
        const bool isNamed = why.message.find(name) != std::string::npos;
        m_log(LogLevel::Warning, fmt::format("Skipped {}{}{} (unreadable images so far: {})", isNamed ? "" : name,
                                             isNamed ? "an image: " : ": ", why.message, count));
    }
    return Done{};
}

} // namespace espalier::data
