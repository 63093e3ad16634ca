// SPDX-License-Identifier: Apache-2.0
#include "core/config/paths.h"

#include "core/base/text.h"
#include "core/config/value_text.h"

#include <fmt/format.h>

#include <algorithm>

namespace espalier::config {

namespace {

bool contains(const std::vector<std::string>& list, std::string_view word)
{
    return std::find(list.begin(), list.end(), word) != list.end();
}

/// "model[unet].drop_rate" belongs to kind "unet" of group "model"; a plain path to no kind.
struct KindOf {
    std::string_view group, kind;
};

KindOf kindOf(const Field& field)
{
    const std::string_view path = field.path;
    const auto open = path.find('['), close = path.find(']');
    if (open == path.npos)
        return {};
    return {path.substr(0, open), path.substr(open + 1, close - open - 1)};
}

} // namespace

bool applies(const Field& field, const Json& config)
{
    const auto [group, kind] = kindOf(field);
    if (group.empty())
        return true;
    const auto* row = findField(fmt::format("{}.kind", group));
    const auto* given = find(config, fmt::format("{}.kind", group));
    const std::string active = given && given->is_string() ? given->get<std::string>() : row->def.get<std::string>();
    return active == kind;
}

std::string typedPath(const Field& field)
{
    const auto open = field.path.find('['), close = field.path.find(']');
    if (open == std::string::npos)
        return field.path;
    return field.path.substr(0, open) + field.path.substr(close + 1);
}

const std::vector<std::string>& groups()
{
    static const std::vector<std::string> all = [] {
        std::vector<std::string> found;
        for (const auto& field : fields()) {
            const auto path = typedPath(field);
            for (auto dot = path.find('.'); dot != path.npos; dot = path.find('.', dot + 1)) {
                if (!contains(found, path.substr(0, dot)))
                    found.push_back(path.substr(0, dot));
            }
        }
        return found;
    }();
    return all;
}

const std::vector<std::string>& alternativeGroups()
{
    static const std::vector<std::string> all = [] {
        std::vector<std::string> found;
        for (const auto& field : fields()) {
            const std::string group(kindOf(field).group);
            if (!group.empty() && !contains(found, group))
                found.push_back(group);
        }
        return found;
    }();
    return all;
}

const Json* find(const Json& config, std::string_view typedPath)
{
    const Json* at = &config;
    for (std::size_t begin = 0; begin <= typedPath.size();) {
        const auto end = std::min(typedPath.find('.', begin), typedPath.size());
        if (!at->is_object())
            return nullptr;
        const auto found = at->find(std::string(typedPath.substr(begin, end - begin)));
        if (found == at->end())
            return nullptr;
        at = &*found;
        begin = end + 1;
    }
    return at;
}

const Field* findField(std::string_view path, const Json& config)
{
    const Field* otherKind = nullptr;
    for (const auto& field : fields()) {
        if (field.path == path)
            return &field;
        if (field.path.find('[') != std::string::npos && typedPath(field) == path) {
            if (applies(field, config))
                return &field;
            if (!otherKind)
                otherKind = &field;
        }
    }
    return otherKind;
}

std::vector<const Field*> activeFields(const Json& config)
{
    std::vector<const Field*> active;
    for (const auto& field : fields()) {
        if (applies(field, config))
            active.push_back(&field);
    }
    return active;
}

Json valueOf(const Json& config, const Field& field)
{
    const auto* value = find(config, typedPath(field));
    return value ? *value : field.def;
}

std::string unknownSetting(std::string_view path, const Json& config)
{
    std::vector<std::string> known = groups();
    for (const auto* field : activeFields(config))
        known.push_back(typedPath(*field));
    const auto shown = shortText(path);
    auto nearest = path.size() <= 200 ? nearestWord(path, known) : "";
    if (nearest.empty() && path.size() <= 200) { // the last part in another group: "lr.warmup_steps", "warmup_steps"
        const auto last = path.substr(path.rfind('.') + 1);
        for (const auto& candidate : known) {
            if (candidate.ends_with(last) && (candidate.size() == last.size() || candidate[candidate.size() - last.size() - 1] == '.')) {
                nearest = candidate;
                break;
            }
        }
    }
    if (nearest.empty())
        return fmt::format("There is no setting {}; docs/settings.md lists them all.", shown);
    return fmt::format("There is no setting {}; did you mean {}?", shown, nearest);
}

} // namespace espalier::config
