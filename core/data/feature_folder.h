// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/data/dataset.h"
#include "core/data/latent_set.h"

#include <filesystem>
#include <memory>

namespace espalier::data {

/// Latents as fast-DiT extracts them: two folders, …features and …labels (imagenet256_features, imagenet256_labels), with one .npy file for
/// each image, paired by the order of their names. The latents are scaled already. There are no images to see.
class FeatureFolder : public Dataset, public LatentSet {};

struct FeatureFolderOptions {
    int side = 256;           // of the images that the latents stand for
    std::int64_t classes = 0; // labels must be below; 0: any
};

/// Lists both folders; files are looked at when they are read.
Result<std::shared_ptr<const FeatureFolder>> openFeatureFolder(const std::filesystem::path& root, const FeatureFolderOptions& options);

} // namespace espalier::data
