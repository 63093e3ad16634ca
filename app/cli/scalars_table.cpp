// SPDX-License-Identifier: Apache-2.0
#include "app/cli/scalars_table.h"

#include "core/base/text.h"

#include <fmt/format.h>

#include <cstdint>
#include <iterator>
#include <limits>

namespace espalier::cli {

namespace {

/// A tag as a CSV field: quoted where it must be.
std::string quoted(const std::string& text)
{
    if (text.find_first_of(",\"\r\n") == std::string::npos)
        return text;
    std::string all = "\"";
    for (const char c : text)
        all += c == '"' ? std::string("\"\"") : std::string(1, c);
    return all + '"';
}

} // namespace

Result<std::string> scalarsCsv(const runs::RunFollower& run, const std::vector<std::string>& asked)
{
    const auto known = run.tags();
    const auto tags = asked.empty() ? known : asked;
    struct Column {
        const runs::Pyramid* curve;
        std::size_t next = 0;
    };
    std::vector<Column> columns;
    std::string csv = "step";
    for (const auto& tag : tags) {
        const auto* curve = run.curve(tag);
        if (!curve) {
            const auto near = nearestWord(tag, known);
            return Error{ErrorCode::Usage,
                         fmt::format("--tag {}: {} has no such curve{}", tag, run.folder().name(),
                                     near.empty() ? "." : fmt::format("; did you mean {}?", near)),
                         {}};
        }
        columns.push_back({curve});
        csv += ',' + quoted(tag);
    }
    csv += '\n';
    for (;;) {
        auto step = std::numeric_limits<std::int64_t>::max();
        for (const auto& column : columns)
            if (column.next < column.curve->size())
                step = std::min(step, column.curve->point(column.next).step);
        if (step == std::numeric_limits<std::int64_t>::max())
            return csv;
        fmt::format_to(std::back_inserter(csv), "{}", step);
        for (auto& column : columns) {
            csv += ',';
            // Of several points of one step the newest counts.
            const auto first = column.next;
            while (column.next < column.curve->size() && column.curve->point(column.next).step == step)
                ++column.next;
            if (column.next > first)
                fmt::format_to(std::back_inserter(csv), "{}", column.curve->point(column.next - 1).value);
        }
        csv += '\n';
    }
}

} // namespace espalier::cli
