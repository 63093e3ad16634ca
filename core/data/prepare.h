// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/result.h"
#include "core/data/published_set.h"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace espalier::data {

struct PrepareOptions {
    PublishedSet set = PublishedSet::Flowers;
    bool all = false;  // every image into train/, in place of the published split
    bool copy = false; // never hard links
};

struct Prepared {
    std::int64_t train = 0, test = 0, classes = 0;
    std::int64_t linked = 0, copied = 0, kept = 0; // kept: there already
    std::vector<std::string> missing;              // files that the lists name and that are not there
};

/// Makes `to`/train/CLASS/… and `to`/val/CLASS/… of a listing, as an image folder is read. Files are hard links where the disk allows it.
/// `to` has to be new, empty, or begun by the same call, which then goes on: each file is there whole or not at all. `report` is told how
/// many are done and answers whether to go on; false ends with Cancelled.
Result<Prepared> prepare(const SetListing& listing, const std::filesystem::path& to, const PrepareOptions& options,
                         const std::function<bool(std::int64_t done, std::int64_t of)>& report);

} // namespace espalier::data
