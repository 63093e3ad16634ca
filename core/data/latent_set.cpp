// SPDX-License-Identifier: Apache-2.0
#include "core/data/latent_set.h"

#include <algorithm>

namespace espalier::data {

namespace {

class BlankLatents final : public LatentSet {
public:
    explicit BlankLatents(const LatentLayout& layout) : m_layout(layout) {}
    LatentLayout layout() const override { return m_layout; }
    Result<Done> readLatents(std::int64_t, bool, std::span<float> values, std::int32_t& label) const override
    {
        std::fill(values.begin(), values.end(), 0.0f);
        label = 0;
        return Done{};
    }

private:
    LatentLayout m_layout;
};

} // namespace

std::shared_ptr<const LatentSet> blankLatents(const LatentLayout& layout)
{
    return std::make_shared<BlankLatents>(layout);
}

} // namespace espalier::data
