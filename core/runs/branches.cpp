// SPDX-License-Identifier: Apache-2.0
#include "core/runs/branches.h"

#include "core/base/files.h"
#include "core/base/json_value.h"
#include "core/base/parse_json.h"
#include "core/runs/curves.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>
#include <system_error>
#include <utility>

namespace espalier::runs {
namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kMostPlan = 16u << 20;

const Json* listAt(const Json& object, const char* key)
{
    const auto at = object.is_object() ? object.find(key) : object.end();
    return at != object.end() && at->is_array() ? &*at : nullptr;
}

/// The one row of an ended stage in the ledger: steps, images, seconds …
const Json* rowOf(const Json& plan, std::string_view stage)
{
    if (const auto* ledger = listAt(plan, "ledger"))
        for (const auto& entry : *ledger)
            if (const auto* table = listAt(entry, "table"); table && textAt(entry, "id") == stage && table->size() == 1)
                if (const auto& row = table->front();
                    row.is_array() && row.size() >= 3 && row[0].is_number() && row[1].is_number() && row[2].is_number())
                    return &row;
    return nullptr;
}

} // namespace

void Branches::readPlan()
{
    m_count = 0;
    m_before = {};
    m_ended.clear();
    const auto text = readFile(m_run.planFile(), kMostPlan);
    const auto plan = text ? parseJson(*text) : Json();
    const auto* stages = listAt(plan, "stages");
    if (stages == nullptr)
        return;
    const auto doneOf = [&](const std::string& stage) -> std::optional<Done> {
        const auto* row = rowOf(plan, stage);
        return row ? std::optional(Done{(*row)[0].get<double>(), (*row)[1].get<double>(), (*row)[2].get<double>()}) : std::nullopt;
    };
    for (const auto& stage : *stages) {
        const auto branch = textAt(stage, "branch");
        if (branch.empty())
            continue;
        const auto* after = listAt(stage, "after");
        if (m_count++ == 0 && after && !after->empty()) {
            const auto before = after->front().is_string() ? doneOf(after->front().get<std::string>()) : std::nullopt;
            if (!before) {
                m_count = 0;
                return;
            }
            m_before = *before;
        }
        if (const auto ended = doneOf(textAt(stage, "id")))
            m_ended.emplace(branch, *ended);
    }
}

bool Branches::poll()
{
    const auto modified = modifiedNs(m_run.branchesFolder());
    if (modified < 0 && m_followers.empty())
        return false;
    bool other = false;
    if (std::exchange(m_modified, modified) != modified) {
        std::set<std::string, std::less<>> there;
        std::error_code error;
        for (fs::directory_iterator at(m_run.branchesFolder(), error), end; !error && at != end; at.increment(error))
            if (std::error_code failed; at->is_directory(failed) && !at->is_symlink(failed))
                there.insert(at->path().filename().string());
        other = std::erase_if(m_followers, [&](const auto& each) { return !there.contains(each.first); }) > 0;
        for (const auto& name : there)
            if (!m_followers.contains(name)) {
                m_followers.emplace(name, RunFollower(m_run.branch(name).root()));
                other = true;
            }
    }
    for (auto& [name, follower] : m_followers)
        other |= follower.poll().any();
    if (const auto plan = modifiedNs(m_run.planFile()); std::exchange(m_planModified, plan) != plan) {
        readPlan();
        other = true;
    }
    return other;
}

void Branches::addTo(Progress& progress, std::string_view newest) const
{
    if (m_followers.empty() || m_count == 0 || static_cast<double>(progress.step) > m_before.steps)
        return;
    Done sum;
    for (const auto& [name, follower] : m_followers) {
        const auto& now = follower.progress();
        const auto ended = m_ended.find(name);
        const auto done = ended != m_ended.end() ? ended->second : Done{static_cast<double>(now.step), now.images, now.seconds};
        sum.steps += std::max(0.0, done.steps - m_before.steps);
        sum.images += std::max(0.0, done.images - m_before.images);
        sum.seconds += std::max(0.0, done.seconds - m_before.seconds);
    }
    progress.step = std::llround(m_before.steps + sum.steps / static_cast<double>(m_count));
    progress.images = m_before.images + sum.images;
    progress.seconds = m_before.seconds + sum.seconds;
    if (const auto found = m_followers.find(newest); found != m_followers.end() && found->second.progress().imagesPerSecond > 0.0)
        progress.imagesPerSecond = found->second.progress().imagesPerSecond;
}

} // namespace espalier::runs
