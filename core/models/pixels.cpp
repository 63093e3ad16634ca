// SPDX-License-Identifier: Apache-2.0
#include "core/models/pixels.h"

#include "core/formats/image_enhance.h"

#include <ATen/ATen.h>

#include <array>

namespace espalier::models {
namespace {

constexpr std::array<float, 3> kHalf{0.5f, 0.5f, 0.5f};

bool usesImageNet(const config::ModelConfig& model)
{
    const auto* vit = std::get_if<config::VitConfig>(&model);
    return vit && vit->pixels == config::PixelScale::ImageNet;
}

at::Tensor perChannel(const std::array<float, 3>& values, at::Device device)
{
    return at::tensor({values[0], values[1], values[2]}, at::kFloat).view({1, 3, 1, 1}).to(device);
}

} // namespace

PixelReader::PixelReader(const config::ModelConfig& model, at::Device device)
    : m_mean(perChannel(usesImageNet(model) ? formats::kImageNetMean : kHalf, device)),
      m_deviation(perChannel(usesImageNet(model) ? formats::kImageNetDeviation : kHalf, device))
{
}

void PixelReader::read(const at::Tensor& bytes, at::Tensor& into) const
{
    const at::NoGradGuard noGrad;
    into.copy_(bytes.permute({0, 3, 1, 2}));
    into.div_(255.0).sub_(m_mean).div_(m_deviation);
}

} // namespace espalier::models
