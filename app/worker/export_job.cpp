// SPDX-License-Identifier: Apache-2.0
#include "app/worker/job.h"

#include "core/base/files.h"
#include "core/config/config.h"
#include "core/formats/safetensors.h"
#include "core/formats/torch_file.h"
#include "core/tensors/checkpoint.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

namespace espalier::worker {

Result<Json> exportJob(const Json& request, JobContext&)
{
    const auto checkpoint = findCheckpoint(request);
    if (!checkpoint)
        return checkpoint.error();
    const auto weights = textOf(request, "weights", "ema"), out = textOf(request, "out", ""), to = textOf(request, "to", "");
    if (!weights)
        return weights.error();
    if (!out)
        return out.error();
    if (!to)
        return to.error();
    if (out->empty())
        return Error{ErrorCode::Usage, "No file was named to export to. Give one with --out."};
    const auto tensors = tensors::readWeights(checkpoint->folder, *weights);
    if (!tensors)
        return tensors.error();
    std::vector<formats::SafetensorsItem> items;
    std::int64_t parameters = 0;
    for (const auto& [name, tensor] : *tensors) {
        const auto shape = tensor.sizes().vec();
        parameters += tensor.numel();
        // One tensor at a time is laid out in C order; the pointer keeps it alive until the next one's turn.
        items.push_back(
            {name, formats::DType::F32, shape, [tensor, kept = std::make_shared<at::Tensor>()]() -> Result<std::span<const std::byte>> {
                 *kept = tensor.to(at::kCPU, at::kFloat).contiguous();
                 return std::span(static_cast<const std::byte*>(kept->data_ptr()), static_cast<std::size_t>(kept->nbytes()));
             }});
    }
    const std::map<std::string, std::string> about{
        {"format", "pt"}, {"espalier.weights", *weights}, {"espalier.config", config::write(checkpoint->config).dump()}};
    const auto extension = std::filesystem::path(*out).extension();
    const bool torch = to->empty() ? extension == ".pt" || extension == ".pth" : *to == "pt";
    // As a bare state dict, whose names the published code loads with strict=True: it has no place for a configuration.
    auto written = torch ? formats::writeTorch(*out, formats::torchStateDict(std::move(items)))
                         : formats::writeSafetensors(*out, std::move(items), about);
    if (!written)
        return written.error();
    if (written->sha256.empty()) {
        auto sum = sha256OfFile(*out);
        if (!sum)
            return sum.error();
        written->sha256 = *std::move(sum);
    }
    return Json{{"file", *out},
                {"bytes", written->bytes},
                {"sha256", written->sha256},
                {"tensors", tensors->size()},
                {"parameters", parameters},
                {"weights", *weights},
                {"step", checkpoint->step}};
}

} // namespace espalier::worker
