// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/log.h"
#include "core/base/result.h"
#include "core/data/dataset.h"

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace espalier::data {

/// Paths in one piece of memory: a million of them cost little more than their letters.
class PathList {
public:
    void add(std::string_view path)
    {
        m_letters.append(path);
        m_ends.push_back(m_letters.size());
    }
    std::int64_t size() const { return static_cast<std::int64_t>(m_ends.size()); }
    std::string_view operator[](std::int64_t i) const
    {
        const auto at = static_cast<std::size_t>(i);
        const std::size_t begin = at ? m_ends[at - 1] : 0;
        return std::string_view(m_letters).substr(begin, m_ends[at] - begin);
    }
    std::string_view letters() const { return m_letters; }

private:
    std::string m_letters;
    std::vector<std::size_t> m_ends;
};

/// The image files of a folder, in the order of torchvision.
struct FolderScan {
    std::filesystem::path root; // what the paths are relative to
    PathList files;
    std::vector<std::int32_t> labels;    // empty without classes
    std::vector<std::string> classNames; // empty without classes
    std::int64_t skipped = 0;            // files that are no images by their name
};

/// A name of the disk, fit for a sentence: in quotes, without control characters.
std::string printable(std::string_view name);

/// Recognises the layout and lists the images of a split; what was recognised or passed over goes to `log`.
Result<FolderScan> scanFolder(const std::filesystem::path& root, Split split, const Log& log);

} // namespace espalier::data
