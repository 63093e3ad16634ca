// SPDX-License-Identifier: Apache-2.0
#include "core/runs/confusion.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>

namespace espalier::runs {
namespace {

constexpr std::string_view kCorner = "true \\ predicted";
constexpr std::size_t kMostClasses = 20'000;

std::string inCell(std::string_view text)
{
    if (text.find_first_of(",\"\n\r") == std::string_view::npos)
        return std::string(text);
    std::string inQuotes = "\"";
    for (const char c : text)
        inQuotes.append(c == '"' ? 2 : 1, c);
    return inQuotes + '"';
}

/// Takes one cell off the text; says whether it was the last of its line. Nothing where a quote is not closed.
std::optional<std::string> takeCell(std::string_view& rest, bool& lineEnds)
{
    std::string cell;
    bool quotes = false;
    std::size_t i = 0;
    for (; i < rest.size(); ++i) {
        const char c = rest[i];
        if (c == '"' && quotes && i + 1 < rest.size() && rest[i + 1] == '"') {
            cell += '"';
            ++i;
        } else if (c == '"') {
            quotes = !quotes;
        } else if (!quotes && (c == ',' || c == '\n')) {
            break;
        } else {
            cell += c;
        }
    }
    if (quotes)
        return std::nullopt;
    lineEnds = i == rest.size() || rest[i] == '\n';
    rest.remove_prefix(std::min(rest.size(), i + 1));
    return cell;
}

Error malformed(const char* why)
{
    return {ErrorCode::Format, fmt::format("This is no table of a confusion matrix: {}.", why), {}};
}

} // namespace

std::string confusionCsv(const Confusion& confusion)
{
    std::string csv(kCorner);
    for (const auto& name : confusion.classes)
        csv += ',' + inCell(name);
    csv += '\n';
    for (std::size_t row = 0; row < confusion.classes.size(); ++row) {
        csv += inCell(confusion.classes[row]);
        for (std::size_t column = 0; column < confusion.classes.size(); ++column)
            csv += fmt::format(",{}", confusion.at(row, column));
        csv += '\n';
    }
    return csv;
}

Result<Confusion> confusionFromCsv(std::string_view csv)
{
    Confusion confusion;
    bool lineEnds = false;
    auto rest = csv;
    if (const auto corner = takeCell(rest, lineEnds); !corner || *corner != kCorner)
        return malformed("its first cell says something else");
    while (!lineEnds) {
        auto name = takeCell(rest, lineEnds);
        if (!name || confusion.classes.size() == kMostClasses)
            return malformed("its head cannot be read");
        confusion.classes.push_back(*std::move(name));
    }
    const auto classes = confusion.classes.size();
    if (classes == 0)
        return malformed("it has no classes");
    for (std::size_t row = 0; row < classes; ++row) {
        if (const auto name = takeCell(rest, lineEnds); !name || *name != confusion.classes[row] || lineEnds)
            return malformed("its rows are not in the order of its columns");
        for (std::size_t column = 0; column < classes; ++column) {
            const auto cell = takeCell(rest, lineEnds);
            std::int64_t count = -1;
            if (!cell || std::from_chars(cell->data(), cell->data() + cell->size(), count).ptr != cell->data() + cell->size() ||
                count < 0 || lineEnds != (column + 1 == classes))
                return malformed("a cell is no count");
            confusion.counts.push_back(count);
        }
    }
    if (!rest.empty())
        return malformed("there are more rows than classes");
    return confusion;
}

} // namespace espalier::runs
