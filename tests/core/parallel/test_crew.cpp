// SPDX-License-Identifier: Apache-2.0
#include "core/parallel/crew.h"
#include "tests/support/ranks.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <stdexcept>

namespace espalier::parallel {
namespace {

using tests::onRanks;

at::Tensor numbers(std::int64_t count)
{
    return at::arange(count, at::kLong);
}

/// Twice as many columns, of another type; the sum over the piece makes visible which rows were worked on together.
at::Tensor madeOf(const at::Tensor& rows, double factor)
{
    const auto values = rows.to(at::kDouble).mul(factor).unsqueeze(1);
    return at::cat({values, values.sum().expand({rows.size(0), 1})}, 1);
}

Result<Crew::Work> workFor(const Json& ask)
{
    if (!ask.contains("factor"))
        return Error{ErrorCode::Usage, "nobody said what to do", {}};
    return Crew::Work([factor = ask["factor"].get<double>()](const at::Tensor& rows) -> Result<at::Tensor> {
        if ((rows == 100).any().item<bool>())
            return Error{ErrorCode::Format, "a hundred is too much", {}};
        return madeOf(rows, factor);
    });
}

/// What the crew makes of `count` rows, in the order in which rank 0 takes them.
std::pair<at::Tensor, std::string> made(Crew& crew, std::int64_t count, std::int64_t piece, double factor)
{
    const Json ask{{"factor", factor}};
    std::vector<at::Tensor> taken;
    std::int64_t next = 0;
    const auto done = crew.map(ask, numbers(count), piece, *workFor(ask), [&](std::int64_t first, const at::Tensor& rows) -> Result<Done> {
        if (first != next)
            return Error{ErrorCode::Internal, "out of order", {}};
        next += rows.size(0);
        taken.push_back(rows);
        return Done{};
    });
    return {taken.empty() ? at::Tensor() : at::cat(taken), done ? "" : done.error().message};
}

} // namespace

TEST(Crew, MakesTheSameWhateverTheNumberOfRanks)
{
    for (const int world : {1, 2, 3})
        onRanks(world, [](auto group) -> std::string {
            Crew crew(group);
            if (!crew.leads()) {
                const auto helped = crew.help(workFor);
                return helped ? "" : helped.error().message;
            }
            Crew alone;
            // Fewer pieces than ranks, as many, more, and a shorter last one; one ask after the other.
            for (const std::int64_t count : {0, 1, 4, 7, 8, 30}) {
                const auto [mine, problem] = made(crew, count, 4, 1.5 + static_cast<double>(count));
                const auto [theirs, none] = made(alone, count, 4, 1.5 + static_cast<double>(count));
                if (!problem.empty())
                    return problem;
                if (mine.defined() != theirs.defined() || (mine.defined() && !mine.equal(theirs)))
                    return "other numbers than with one rank";
                if (mine.defined() && mine.size(0) != count)
                    return "rows are missing";
            }
            return "";
        });
}

TEST(Crew, TellsTheErrorOfAnyRankAndGoesOnAfterwards)
{
    onRanks(3, [](auto group) -> std::string {
        Crew crew(group);
        if (!crew.leads())
            return crew.help(workFor) ? "" : "was not let go";
        // Row 100 lies in the second piece of its round: rank 1 meets it, while rank 2 works on the one after it.
        const auto [some, problem] = made(crew, 120, 20, 1.0);
        if (problem.empty())
            return "no error came";
        const auto [all, none] = made(crew, 90, 20, 1.0);
        return none.empty() && all.size(0) == 90 ? "" : "an error spoiled what came after it: " + none;
    });
}

TEST(Crew, ToldByItsRankWhoMetAnError)
{
    onRanks(2, [](auto group) -> std::string {
        Crew crew(group);
        if (!crew.leads())
            return crew.help(workFor) ? "" : "was not let go";
        const auto [some, problem] = made(crew, 110, 100, 1.0);
        return problem == "Rank 1: a hundred is too much" ? "" : "it said: " + problem;
    });
}

TEST(Crew, LetsAllGoWhenTheOneThatLeadsFails)
{
    onRanks(3, [](auto group) -> std::string {
        Crew crew(group);
        if (!crew.leads())
            return crew.help(workFor) ? "" : "was not let go";
        const Json ask{{"factor", 1.0}};
        const auto full = crew.map(ask, numbers(40), 10, *workFor(ask), [](std::int64_t, const at::Tensor&) -> Result<Done> {
            return Error{ErrorCode::Io, "the disk is full", {}};
        });
        if (full || full.error().message != "the disk is full")
            return "the error was lost";
        try {
            (void)crew.map(ask, numbers(40), 10, [](const at::Tensor&) -> Result<at::Tensor> { throw std::runtime_error("no memory"); },
                           {});
            return "the exception was lost";
        } catch (const std::runtime_error&) {
        }
        return ""; // its end lets them go
    });
}

TEST(Crew, SaysWhenItWaitsForAnother)
{
    onRanks(2, [](auto group) -> std::string {
        int begun = 0, ended = 0;
        {
            Crew crew(group, [&](bool waits) { ++(waits ? begun : ended); });
            if (!crew.leads())
                (void)crew.help(workFor);
            else
                (void)made(crew, 8, 2, 1.0);
        }
        return begun > 1 && begun == ended ? "" : "it does not say so";
    });
}

} // namespace espalier::parallel
