// SPDX-License-Identifier: Apache-2.0
#include "app/cli/event_text.h"

#include "core/base/text.h"
#include "core/runs/metrics.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <ctime>

namespace espalier::cli {

namespace {

std::string clock(double time)
{
    const auto seconds = static_cast<std::time_t>(time);
    std::tm parts{};
    if (!::localtime_r(&seconds, &parts))
        return "--:--:--";
    return fmt::format("{:02}:{:02}:{:02}", parts.tm_hour, parts.tm_min, parts.tm_sec);
}

std::vector<std::string> textsOf(const Json& list)
{
    std::vector<std::string> texts;
    for (const auto& each : list)
        if (each.is_string())
            texts.push_back(each.get<std::string>());
    return texts;
}

std::string said(const runs::Event& event)
{
    using namespace runs;
    if (const auto e = eventAs<StateChanged>(event))
        return fmt::format("{}{}{}", stateText(e->state), e->why.empty() ? "" : ": ", e->why);
    if (const auto e = eventAs<Started>(event))
        return fmt::format("attempt {} from step {} on {} ({} worker{})", e->attempt, e->fromStep, e->devices, e->ranks,
                           e->ranks == 1 ? "" : "s");
    if (const auto e = eventAs<StageStarted>(event))
        return fmt::format("stage {} ({}) from step {}", e->index, e->id, e->fromStep);
    if (const auto e = eventAs<Searched>(event))
        return fmt::format("step {}, stage {} will be {} ({} of searching)", e->step, e->stage, e->chosen,
                           durationText(std::chrono::duration<double>(e->seconds)));
    if (const auto e = eventAs<Forked>(event))
        return fmt::format("from {} at the end of stage {}, step {}", e->name, e->stage, e->step);
    if (const auto e = eventAs<CheckpointWritten>(event))
        return fmt::format("step {}, {} ({}) {}", e->step, bytesText(e->bytes), e->because, e->folder);
    if (const auto e = eventAs<SamplesDrawn>(event))
        return fmt::format("step {}, {} images, {}: {}", e->step, e->count, e->weights, e->grid);
    if (const auto e = eventAs<Evaluated>(event))
        return fmt::format("step {}, {} {:.4g}", e->step, runs::metricTitle(e->metric), e->value);
    if (const auto e = eventAs<Initialised>(event))
        return fmt::format("{} weights of {}{}{}{}", e->weights, e->path, e->step >= 0 ? fmt::format(", step {}", e->step) : "",
                           e->changes.empty() ? "" : "; ", fmt::join(textsOf(e->changes), "; "));
    if (const auto e = eventAs<Warned>(event))
        return e->message;
    if (const auto e = eventAs<WishAnswered>(event))
        return fmt::format("{}: {}", e->wish, e->answer);
    if (const auto e = eventAs<Failed>(event))
        return e->message;
    return event.fields.dump(-1, ' ', false, Json::error_handler_t::replace);
}

} // namespace

std::string eventText(const runs::Event& event)
{
    return fmt::format("{} {:<12} {}", clock(event.time), event.kind, said(event));
}

} // namespace espalier::cli
