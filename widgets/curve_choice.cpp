// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/curve_choice.h"

#include "core/config/devices.h"
#include "widgets/curve_legend.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace espalier::widgets {
namespace {

struct Family {
    std::string_view id, before, after; // a tag is before + rank + after
    const char* title;
    double scale;
};
constexpr std::array<Family, 5> kFamilies{{{kSpeedOfRanks, "speed/rank_", "", "Speed of each rank, images/s", 1.0},
                                           {"gpu/load", "gpu/rank_", "/load", "GPU load, %", 1.0},
                                           {"gpu/memory", "gpu/rank_", "/memory", "GPU memory, GB", 1e-9},
                                           {"gpu/celsius", "gpu/rank_", "/celsius", "GPU temperature, °C", 1.0},
                                           {"gpu/watts", "gpu/rank_", "/watts", "GPU power, W", 1.0}}};

/// The rank of a tag of this family.
std::optional<int> rankIn(const Family& family, std::string_view tag)
{
    if (!tag.starts_with(family.before) || !tag.ends_with(family.after) || tag.size() <= family.before.size() + family.after.size())
        return std::nullopt;
    const auto digits = tag.substr(family.before.size(), tag.size() - family.before.size() - family.after.size());
    int rank = 0;
    const auto [end, why] = std::from_chars(digits.data(), digits.data() + digits.size(), rank);
    return why == std::errc() && end == digits.data() + digits.size() && rank >= 0 ? std::optional(rank) : std::nullopt;
}

CurveChoice familyChoice(const Family& family, const std::map<std::string, runs::ScalarPoint>& curves)
{
    std::vector<std::pair<int, std::string>> ranks; // "rank_10" comes after "rank_2"
    for (const auto& [tag, point] : curves)
        if (const auto rank = rankIn(family, tag))
            ranks.emplace_back(*rank, tag);
    std::sort(ranks.begin(), ranks.end());
    CurveChoice choice{std::string(family.id), QString::fromUtf8(family.title), {}, family.scale};
    for (auto& [rank, tag] : ranks)
        choice.tags.push_back(std::move(tag));
    return choice;
}

} // namespace

CurveChoice curveChoice(const std::string& id, const std::map<std::string, runs::ScalarPoint>& curves)
{
    for (const auto& family : kFamilies)
        if (family.id == id)
            return familyChoice(family, curves);
    return {id, curveTitle(id), {id}};
}

std::vector<CurveChoice> curveChoices(const std::map<std::string, runs::ScalarPoint>& curves)
{
    std::vector<CurveChoice> all;
    for (const auto& [tag, point] : curves)
        if (std::none_of(kFamilies.begin(), kFamilies.end(), [&tag = tag](const auto& family) { return rankIn(family, tag).has_value(); }))
            all.push_back(curveChoice(tag, curves));
    for (const auto& family : kFamilies)
        if (auto choice = familyChoice(family, curves); !choice.tags.empty())
            all.push_back(std::move(choice));
    return all;
}

QString rankTitle(const std::string& tag, const std::string& devices)
{
    std::optional<int> rank;
    for (const auto& family : kFamilies)
        if (!rank)
            rank = rankIn(family, tag);
    if (!rank)
        return curveTitle(tag);
    QString title = QStringLiteral("Rank %1").arg(*rank);
    if (const auto ask = config::parseDevices(devices); ask && static_cast<std::size_t>(*rank) < ask->indices.size())
        title += QStringLiteral(" · GPU %1").arg(ask->indices[static_cast<std::size_t>(*rank)]);
    return title;
}

std::optional<Straggler> slowestRank(const std::map<std::string, runs::ScalarPoint>& curves)
{
    constexpr double kNoise = 1.02; // what ranks differ by anyway
    std::vector<std::pair<double, std::string>> speeds;
    for (const auto& tag : familyChoice(kFamilies.front(), curves).tags)
        if (const double speed = curves.at(tag).value; speed > 0)
            speeds.emplace_back(speed, tag);
    if (speeds.size() < 2)
        return std::nullopt;
    std::sort(speeds.begin(), speeds.end());
    const double others = speeds[1 + (speeds.size() - 2) / 2].first; // their median
    const double times = others / speeds.front().first;
    return times > kNoise ? std::optional(Straggler{speeds.front().second, times}) : std::nullopt;
}

} // namespace espalier::widgets
