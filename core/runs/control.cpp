// SPDX-License-Identifier: Apache-2.0
#include "core/runs/control.h"

#include "core/base/files.h"
#include "core/base/json_value.h"
#include "core/base/parse_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <unistd.h>

namespace espalier::runs {
namespace fs = std::filesystem;
namespace {

constexpr std::array<std::pair<WishKind, std::string_view>, 6> kWishes{{
    {WishKind::Checkpoint, "checkpoint"},
    {WishKind::Sample, "sample"},
    {WishKind::Evaluate, "evaluate"},
    {WishKind::Pause, "pause"},
    {WishKind::Stop, "stop"},
    {WishKind::Start, "start"},
}};

constexpr std::uint64_t kMaxWish = 1 << 16;
constexpr std::size_t kMaxWishes = 1000; // in one look; the rest waits for the next

/// Ids sort by when the wish was made.
std::string newWishId()
{
    static std::atomic<unsigned> counter{0};
    const auto now = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
    return fmt::format("{:016}-{}-{}", now, ::getpid(), counter++);
}

} // namespace

std::string_view wishText(WishKind kind)
{
    for (const auto& [each, text] : kWishes)
        if (each == kind)
            return text;
    return "";
}

std::optional<WishKind> wishFromText(std::string_view text)
{
    for (const auto& [kind, each] : kWishes)
        if (each == text)
            return kind;
    return std::nullopt;
}

Action actionOf(WishKind kind)
{
    switch (kind) {
    case WishKind::Checkpoint:
        return Action::Checkpoint;
    case WishKind::Sample:
        return Action::Sample;
    case WishKind::Evaluate:
        return Action::Evaluate;
    case WishKind::Pause:
        return Action::Pause;
    case WishKind::Stop:
        return Action::Stop;
    case WishKind::Start:
        return Action::Start;
    }
    return Action::Stop;
}

std::optional<std::int64_t> moduleOf(const Wish& wish)
{
    const auto module = valueOr<std::int64_t>(wish.options, "module", -1);
    const bool takesOne = wish.kind == WishKind::Pause || wish.kind == WishKind::Start;
    return takesOne && module >= 0 ? std::optional(module) : std::nullopt;
}

Wish obeyed(const Wish& wish, const WishAnswered& answer)
{
    auto with = wish;
    with.options["answer"] = fieldsOf(answer);
    return with;
}

std::optional<WishAnswered> answerOf(const Wish& wish)
{
    const auto answer = wish.options.is_object() && moduleOf(wish) ? wish.options.find("answer") : wish.options.end();
    return answer != wish.options.end() ? eventAs<WishAnswered>({0.0, std::string(WishAnswered::kKind), *answer}) : std::nullopt;
}

Json wishJson(const Wish& wish)
{
    return {{"id", wish.id}, {"wish", wishText(wish.kind)}, {"options", wish.options}};
}

std::optional<Wish> wishFromJson(const Json& json)
{
    if (!json.is_object() || !json.contains("wish") || !json["wish"].is_string())
        return std::nullopt;
    const auto kind = wishFromText(json["wish"].get<std::string>());
    if (!kind)
        return std::nullopt;
    Wish wish;
    wish.kind = *kind;
    if (const auto id = json.find("id"); id != json.end() && id->is_string())
        wish.id = id->get<std::string>().substr(0, 200);
    if (const auto options = json.find("options"); options != json.end()) {
        if (!options->is_object())
            return std::nullopt;
        wish.options = *options;
        if (const auto module = options->find("module"); module != options->end() && !moduleOf(wish))
            return std::nullopt; // what was meant for one must not reach all
    }
    if (wish.kind == WishKind::Start && !moduleOf(wish))
        return std::nullopt;
    return wish;
}

Result<std::string> sendWish(const RunFolder& folder, WishKind kind, Json options)
{
    Wish wish{newWishId(), kind, std::move(options)};
    std::error_code error;
    if (!isRunFolder(folder.root()))
        return Error{ErrorCode::Usage, fmt::format("{} holds no run.", folder.root().string()), {}};
    fs::create_directories(folder.controlFolder(), error);
    if (error)
        return ioError("create", folder.controlFolder(), error.value());
    const auto done = writeFileAtomically(folder.controlFolder() / (wish.id + ".json"), wishJson(wish).dump() + "\n");
    if (!done)
        return done.error();
    return wish.id;
}

TakenWishes takeWishes(const RunFolder& folder)
{
    TakenWishes taken;
    std::vector<fs::path> files;
    std::error_code error;
    for (fs::directory_iterator at(folder.controlFolder(), error), end; !error && at != end && files.size() < kMaxWishes;
         at.increment(error)) {
        const auto name = at->path().filename().string();
        if (!name.starts_with('.') && name.ends_with(".json")) // hidden ones are still being written
            files.push_back(at->path());
    }
    std::sort(files.begin(), files.end());
    for (const auto& file : files) {
        const auto refuse = [&](std::string_view why) {
            taken.refused.push_back(fmt::format("The wish {} {}.", file.filename().string(), why));
        };
        std::error_code ignored;
        const bool regular = fs::is_regular_file(fs::symlink_status(file, ignored));
        const auto text = regular ? readFile(file, kMaxWish) : Error{ErrorCode::Format, "", ""};
        fs::remove_all(file, ignored);
        if (fs::exists(fs::symlink_status(file, ignored)))
            continue; // not ours to remove: acting on it would act again and again
        if (!text) {
            refuse("could not be read");
            continue;
        }
        auto wish = wishFromJson(parseJson(*text));
        if (!wish) {
            refuse("was not understood: it needs \"wish\": checkpoint, sample, evaluate, pause, stop or start");
            continue;
        }
        if (wish->id.empty())
            wish->id = file.stem().string();
        taken.wishes.push_back(std::move(*wish));
    }
    return taken;
}

} // namespace espalier::runs
