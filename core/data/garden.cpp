// SPDX-License-Identifier: Apache-2.0
#include "core/data/garden.h"

#include "core/base/text.h"
#include "core/data/garden_scene.h"

#include <fmt/format.h>

#include <array>

namespace espalier::data {

namespace {

constexpr std::uint32_t kLabelSite = 1;
constexpr int kSmallest = 8, kLargest = 1024;

class Garden final : public Dataset {
public:
    Garden(std::uint64_t seed, Split split, std::int64_t size, int side) : m_seed(seed), m_split(split), m_size(size), m_side(side) {}

    std::int64_t size() const override { return m_size; }
    int side() const override { return m_side; }
    const std::vector<std::string>& classNames() const override { return m_names; }
    std::int32_t label(std::int64_t index) const override { return gardenLabel(m_seed, m_split, index); }
    Result<Done> read(std::int64_t index, std::span<std::uint8_t> hwc, std::int32_t& label) const override
    {
        label = this->label(index);
        drawGarden(m_seed, m_split, index, m_side, hwc);
        return Done{};
    }
    std::string nameOf(std::int64_t index) const override { return fmt::format("garden {} {}", data::nameOf(m_split), index); }
    std::string description() const override
    {
        return fmt::format("garden, {}: {} images in {} classes, drawn from seed {}", data::nameOf(m_split), groupedNumber(m_size),
                           garden::kSubjects, m_seed);
    }
    std::string fingerprint() const override
    {
        return fmt::format("garden v{} seed {} {} {}", kGardenVersion, m_seed, data::nameOf(m_split), m_size);
    }

private:
    std::uint64_t m_seed;
    Split m_split;
    std::int64_t m_size;
    int m_side;
    std::vector<std::string> m_names{"leaf",      "flower", "fruit",    "tree",         "mushroom",
                                     "butterfly", "cactus", "ladybird", "watering can", "snail"};
};

} // namespace

std::int32_t gardenLabel(std::uint64_t seed, Split split, std::int64_t index)
{
    const auto block = drawBlock(seed, Stream::Garden, static_cast<std::uint64_t>(split), static_cast<std::uint64_t>(index), 0, kLabelSite);
    return static_cast<std::int32_t>(integerBelow(block.word[0], block.word[1], garden::kSubjects));
}

void drawGarden(std::uint64_t seed, Split split, std::int64_t index, int side, std::span<std::uint8_t> hwc)
{
    using namespace garden;
    Dice dice(seed, static_cast<std::uint64_t>(split), static_cast<std::uint64_t>(index));
    Canvas canvas(side);
    drawScene(canvas, static_cast<Subject>(gardenLabel(seed, split, index)), dice);
    std::array<float, 81> lattice;
    for (float& v : lattice)
        v = dice.range(-1, 1);
    canvas.grain(lattice, 0.03f);
    canvas.write(hwc);
}

Result<std::shared_ptr<const Dataset>> openGarden(std::uint64_t seed, Split split, std::int64_t size, int side)
{
    if (side < kSmallest || side > kLargest)
        return Error{ErrorCode::Usage, fmt::format("data.side is {}; the garden is drawn at {} to {} pixels.", side, kSmallest, kLargest)};
    if (size < 1)
        return Error{ErrorCode::Usage, fmt::format("{} is {}; a set needs at least one image.",
                                                   split == Split::Train ? "data.garden_train" : "data.garden_test", size)};
    return std::shared_ptr<const Dataset>(std::make_shared<Garden>(seed, split, size, side));
}

} // namespace espalier::data
