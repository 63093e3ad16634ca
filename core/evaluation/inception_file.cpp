// SPDX-License-Identifier: Apache-2.0
#include "core/evaluation/inception_file.h"

#include "core/base/files.h"

namespace espalier::evaluation {

Result<InceptionFile> openInception(const std::filesystem::path& file, at::Device device)
{
    auto network = models::readInception(file, device);
    if (!network)
        return network.error();
    auto hash = sha256OfFile(file);
    if (!hash)
        return hash.error();
    return InceptionFile{*std::move(network), file.filename().string(), *std::move(hash)};
}

} // namespace espalier::evaluation
