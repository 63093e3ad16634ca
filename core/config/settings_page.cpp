// SPDX-License-Identifier: Apache-2.0
#include "core/config/config.h"
#include "core/config/value_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace espalier::config {

namespace {

std::string typeText(const Field& field)
{
    const auto one = [](const Json& example) {
        return example.is_boolean()        ? "true or false"
               : example.is_number_float() ? "number"
               : example.is_number()       ? "whole number"
                                           : "text";
    };
    if (!field.choices.empty())
        return fmt::format("{}", fmt::join(field.choices, ", "));
    std::string type = field.def.is_array() ? fmt::format("list of: {}", one(field.element)) : one(field.def);
    if (const auto range = rangeText(field); !range.empty())
        type += " " + range;
    return type;
}

std::string defaultText(const Field& field)
{
    if (field.def.is_string()) // choices and texts are typed without quotes
        return field.def.get_ref<const std::string&>().empty() ? "(empty)" : fmt::format("`{}`", field.def.get_ref<const std::string&>());
    return fmt::format("`{}`", valueText(field.def));
}

} // namespace

std::string settingsPage()
{
    std::string page =
        "<!-- Generated from core/config; a test compares. To write it anew: ESPALIER_WRITE_DOCS=1 build/tests/test_config -->\n"
        "# Settings\n\n"
        "Every setting of a run, in the order of the form. Set one on the command line with `--set path=value` (lists as `1,2,2` or\n"
        "`[1,2,2]`), or in a JSON file as nested groups: `{\"training\": {\"steps\": 80}}`. What is not set has its default. Whole "
        "numbers\n"
        "may be written as `80`, `80.0` or `8e1`. Paths, names of choices and units are an interface: they change only with a new "
        "schema.\n\n"
        "*Resume*: whether a run that exists may go on with another value. *Advanced* settings are hidden in the form until asked for.\n";
    std::string group = "?";
    for (const auto& field : fields()) {
        const auto path = typedPath(field);
        const auto dot = path.find('.');
        const auto now = dot == path.npos ? std::string() : path.substr(0, dot);
        if (now != group) {
            group = now;
            page += fmt::format("\n## {}\n\n| setting | default | values | resume | what it is |\n|---|---|---|---|---|\n",
                                group.empty() ? "The run" : group);
        }
        const auto open = field.path.find('['), close = field.path.find(']');
        const auto kind = open == field.path.npos ? "" : fmt::format(" *({})*", field.path.substr(open + 1, close - open - 1));
        page += fmt::format("| `{}`{} | {} | {} | {} | {}{} |\n", path, kind, defaultText(field), typeText(field),
                            field.change == Change::AtResume ? "yes" : "no", field.help, field.advanced ? " *(advanced)*" : "");
    }
    return page;
}

} // namespace espalier::config
