// SPDX-License-Identifier: Apache-2.0
#include "core/models/initialise.h"

#include "core/base/normal.h"

#include <ATen/ATen.h>

#include <cmath>

namespace espalier::models {
namespace {

/// 40 bits of the name's FNV-1a hash: the slot that a parameter's values are drawn in.
std::uint64_t slotOf(const std::string& name)
{
    std::uint64_t hash = 14695981039346656037ull;
    for (const unsigned char byte : name)
        hash = (hash ^ byte) * 1099511628211ull;
    return (hash ^ (hash >> 40)) & ((std::uint64_t{1} << 40) - 1);
}

} // namespace

Initial xavierUniform(at::IntArrayRef shape, double scale)
{
    double area = 1;
    for (std::size_t i = 2; i < shape.size(); ++i)
        area *= static_cast<double>(shape[i]);
    const double fans = area * static_cast<double>(shape[0] + shape[1]);
    return {Initial::Uniform, std::sqrt(6.0 * scale / fans)};
}

at::Tensor initialValues(const std::string& name, at::IntArrayRef shape, const Initial& initial, std::uint64_t seed)
{
    at::Tensor values = at::empty(shape, at::TensorOptions().dtype(at::kFloat));
    if (initial.kind == Initial::Constant)
        return values.fill_(initial.value);
    float* out = values.mutable_data_ptr<float>();
    const std::uint64_t slot = slotOf(name);
    for (std::int64_t i = 0, count = values.numel(); i < count; i += 2) {
        const PhiloxBlock block = drawBlock(seed, Stream::Initial, 0, slot, static_cast<std::uint32_t>(i / 2));
        float pair[2];
        if (initial.kind == Initial::Uniform) {
            pair[0] = static_cast<float>((2.0 * uniformOf(block.word[0], block.word[1]) - 1.0) * initial.value);
            pair[1] = static_cast<float>((2.0 * uniformOf(block.word[2], block.word[3]) - 1.0) * initial.value);
        } else {
            const NormalPair normal = normalPair(block);
            pair[0] = static_cast<float>(normal.first * initial.value);
            pair[1] = static_cast<float>(normal.second * initial.value);
        }
        out[i] = pair[0];
        if (i + 1 < count)
            out[i + 1] = pair[1];
    }
    return values;
}

void initialise(Model& model, std::uint64_t seed)
{
    const at::NoGradGuard guard;
    for (const auto& item : model.named_modules()) {
        const auto* owner = dynamic_cast<const HasFirstValues*>(item.value().get());
        if (!owner)
            continue;
        const std::string prefix = item.key().empty() ? "" : item.key() + ".";
        for (auto& value : owner->firstValues())
            value.parameter.copy_(initialValues(prefix + value.name, value.parameter.sizes(), value.initial, seed));
    }
}

} // namespace espalier::models
