// SPDX-License-Identifier: Apache-2.0
#include "core/evaluation/reference_statistics.h"

#include "core/models/inception.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

namespace espalier::evaluation {
namespace {

Result<at::Tensor> readArray(const formats::NpzReader& file, const std::filesystem::path& path, const char* name,
                             const std::vector<std::int64_t>& shape)
{
    const auto refuse = [&](const std::string& why) {
        return Error{ErrorCode::Format,
                     fmt::format("{}: {} {}. Choose statistics of the Inception network's features.", path.string(), name, why),
                     {}};
    };
    const auto* entry = file.find(name);
    if (!entry)
        return refuse("is missing");
    if (entry->header.shape != shape)
        return refuse(fmt::format("has shape {}, but {} is needed", c10::str(at::IntArrayRef(entry->header.shape)),
                                  c10::str(at::IntArrayRef(shape))));
    if (entry->header.type.kind != 'f')
        return refuse("does not hold floating-point numbers");
    const auto array = file.read(name);
    if (!array)
        return array.error();
    auto tensor = at::tensor(formats::toDoubles(*array), at::kDouble).view(shape);
    if (!tensor.isfinite().all().item<bool>())
        return refuse("holds numbers that are not finite");
    return tensor;
}

Result<Gaussian> readGaussian(const formats::NpzReader& file, const std::filesystem::path& path, const char* mean, const char* covariance,
                              std::int64_t d)
{
    auto mu = readArray(file, path, mean, {d});
    if (!mu)
        return mu.error();
    auto sigma = readArray(file, path, covariance, {d, d});
    if (!sigma)
        return sigma.error();
    return Gaussian{*std::move(mu), *std::move(sigma)};
}

} // namespace

Result<std::optional<ReferenceStatistics>> readReferenceStatistics(const formats::NpzReader& file, const std::filesystem::path& path)
{
    if (!file.find("mu"))
        return std::optional<ReferenceStatistics>();
    auto pool = readGaussian(file, path, "mu", "sigma", models::Inception::kPool);
    if (!pool)
        return pool.error();
    ReferenceStatistics statistics{*std::move(pool), {}};
    if (file.find("mu_s") || file.find("sigma_s")) {
        auto spatial = readGaussian(file, path, "mu_s", "sigma_s", models::Inception::kSpatial);
        if (!spatial)
            return spatial.error();
        statistics.spatial = *std::move(spatial);
    }
    return std::optional(std::move(statistics));
}

} // namespace espalier::evaluation
