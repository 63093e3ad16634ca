// SPDX-License-Identifier: Apache-2.0
#include "app/cli/train_worker.h"

#include "core/base/files.h"
#include "core/base/json_value.h"
#include "core/base/text.h"

#include <fmt/format.h>

namespace espalier::cli {

namespace {

constexpr std::size_t kTail = 8192;

} // namespace

bool TrainWorker::read(const std::function<void(const Json&)>& status, const std::function<void(std::string_view)>& output)
{
    child.flushControl();
    const auto take = [&] {
        child.read(
            [&](const Json& line) {
                lastWord = Clock::now();
                if (valueOr<std::string>(line, "kind", "") == "alive" && !line.contains("waits")) // one that waits for others does not hang
                    return;
                lastStep = lastWord;
                status(line);
            },
            [&](std::string_view line) {
                tail.append(line).append("\n");
                if (tail.size() > 2 * kTail)
                    tail.erase(0, tail.size() - kTail);
                output(line);
            });
    };
    take();
    if (!child.reap())
        return false;
    take(); // what it wrote just before
    return true;
}

std::optional<Error> TrainWorker::hangs(std::string_view who, const Patience& patience, Clock::time_point now) const
{
    const bool silent = now - lastWord >= patience.silence;
    if (!child.running() || (!silent && now - lastStep < patience.hang))
        return std::nullopt;
    const auto why = silent ? silentText(who, child.pid(), patience.silence)
                            : fmt::format("{} lives, but took no step for {} and was ended.", capital(who), durationText(patience.hang));
    return Error{ErrorCode::Lost, why + " The run can be resumed.", tail};
}

Cause causeFrom(const Json& line, int rank)
{
    Cause cause;
    cause.rank = rank;
    cause.error.code = runs::errorCodeFromText(valueOr<std::string>(line, "code", ""));
    cause.error.message = valueOr<std::string>(line, "message", "A worker failed without a reason.");
    cause.error.detail = valueOr<std::string>(line, "detail", "");
    cause.step = valueOr<std::int64_t>(line, "step", -1);
    cause.checkpoint = valueOr<std::string>(line, "checkpoint", "");
    cause.consequence = cause.error.code == ErrorCode::Lost || cause.error.code == ErrorCode::Cancelled;
    return cause;
}

std::optional<runs::WishAnswered> answerFrom(const Json& line)
{
    const auto event = valueOr<std::string>(line, "kind", "") == "event" ? line.find("event") : line.end();
    const auto fields = event != line.end() && event->is_object() ? event->find("fields") : line.end();
    if (event == line.end() || !event->is_object() || fields == event->end())
        return std::nullopt;
    return runs::eventAs<runs::WishAnswered>({0.0, valueOr<std::string>(*event, "kind", ""), *fields});
}

} // namespace espalier::cli
