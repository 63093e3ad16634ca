// SPDX-License-Identifier: Apache-2.0
#include "core/runs/run_folder.h"

#include "core/base/files.h"
#include "core/base/parse_json.h"
#include "core/runs/events.h"

#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <random>

namespace espalier::runs {
namespace fs = std::filesystem;

namespace {

constexpr std::int64_t kRunSchema = 1;

bool plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

} // namespace

double wallTime()
{
    return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string newRunId()
{
    std::random_device device;
    std::string id;
    for (int i = 0; i < 4; ++i)
        id += fmt::format("{:08x}", device());
    return id;
}

std::string RunFolder::name() const
{
    std::error_code ignored;
    const auto normal = fs::absolute(m_root, ignored).lexically_normal(); // workers know their run as "."
    return normal.has_filename() ? normal.filename().string() : normal.parent_path().filename().string();
}

std::string stepName(std::int64_t step)
{
    return fmt::format("step-{:07}", step);
}

std::int64_t stepOfName(std::string_view name)
{
    constexpr std::string_view kStart = "step-";
    if (!name.starts_with(kStart))
        return -1;
    name.remove_prefix(kStart.size());
    std::int64_t step = -1;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), step);
    return error == std::errc{} && end == name.data() + name.size() && step >= 0 ? step : -1;
}

std::string tagFileName(std::string_view tag)
{
    std::string name;
    for (const char c : tag) {
        if (plain(c))
            name += c;
        else if (c == '/')
            name += '.';
        else
            name += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
    return name.empty() ? "%" : name;
}

fs::path RunFolder::scalarsFile(int attempt, std::string_view tag) const
{
    return scalarsFolder(attempt) / (tagFileName(tag) + ".bin");
}

fs::path RunFolder::samplesFolder(int stage, std::int64_t step) const
{
    return samplesFolder() / fmt::format("stage-{:02}", stage) / stepName(step);
}

fs::path RunFolder::confusionFile(std::int64_t step) const
{
    return evaluationsFolder() / "confusion" / (stepName(step) + ".csv");
}

fs::path RunFolder::checkpointFolder(std::int64_t step) const
{
    return checkpointsFolder() / stepName(step);
}

std::string RunFolder::relative(const fs::path& file) const
{
    return file.lexically_relative(m_root).generic_string();
}

bool isRunFolder(const fs::path& folder)
{
    std::error_code ignored;
    if (fs::exists(folder / "run.json", ignored))
        return true;
    // Folders of diffusers have a config.json as well, beside their weights.
    for (const auto* weights : {"diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin"})
        for (const auto* ending : {"", ".index.json"})
            if (fs::exists(folder / (std::string(weights) + ending), ignored))
                return false;
    return fs::exists(folder / "config.json", ignored);
}

Result<RunFolder> createRunFolder(const fs::path& folder, const Json& configDocument)
{
    std::error_code error;
    if (isRunFolder(folder))
        return Error{ErrorCode::Usage, fmt::format("{} already holds a run. Choose another folder.", folder.string()), {}};
    if (fs::exists(folder, error) && !fs::is_directory(folder, error))
        return Error{ErrorCode::Usage, fmt::format("{} is a file. Choose another folder for the run.", folder.string()), {}};
    if (fs::is_directory(folder, error))
        for (const auto& entry : fs::directory_iterator(folder, error)) {
            const auto name = entry.path().filename().string();
            // A window that launches a run has already opened these.
            if (name != "launch.log" && name != "lock" && name != "lease.json")
                return Error{ErrorCode::Usage,
                             fmt::format("{} is not empty and holds no run ({} lies in it). Choose another folder.", folder.string(), name),
                             {}};
        }
    fs::create_directories(folder, error);
    if (error)
        return ioError("create the run folder", folder, error.value());

    RunFolder run(fs::absolute(folder, error).lexically_normal());
    for (const auto& part :
         {run.controlFolder(), run.scalarsFolder(), run.samplesFolder(), run.checkpointsFolder(), run.tensorboardFolder()})
        if (fs::create_directories(part, error); error)
            return ioError("create", part, error.value());
    const RunIdentity identity{newRunId(), wallTime(), ESPALIER_VERSION};
    // run.json last: a folder with it is whole.
    if (auto done = writeFileAtomically(run.configFile(), configDocument.dump(2) + "\n"); !done)
        return done.error();
    auto events = EventLog::open(run.eventsFile());
    if (!events)
        return events.error();
    if (auto done = events->write(Created{identity.runId, run.name(), identity.program}); !done)
        return done.error();
    const Json json{{"format", "espalier-run"},
                    {"schema", kRunSchema},
                    {"run_id", identity.runId},
                    {"created", identity.created},
                    {"program", identity.program}};
    if (auto done = writeFileAtomically(run.identityFile(), json.dump(2) + "\n"); !done)
        return done.error();
    return run;
}

Result<RunIdentity> readIdentity(const RunFolder& folder)
{
    auto text = readFile(folder.identityFile(), 1 << 20);
    if (!text)
        return text.error();
    const auto json = parseJson(*text);
    const auto wrong = [&](std::string_view why) {
        return Error{ErrorCode::Format, fmt::format("{} {}.", folder.identityFile().string(), why), {}};
    };
    if (!json.is_object() || !json.contains("run_id") || !json["run_id"].is_string())
        return wrong("does not say which run this is");
    if (!json.contains("schema") || !json["schema"].is_number_integer())
        return wrong("has no schema number");
    if (json["schema"].get<std::int64_t>() > kRunSchema)
        return wrong("was written by a newer Espalier; use that one");
    RunIdentity identity;
    identity.runId = json["run_id"].get<std::string>();
    if (json.contains("created") && json["created"].is_number())
        identity.created = json["created"].get<double>();
    if (json.contains("program") && json["program"].is_string())
        identity.program = json["program"].get<std::string>();
    return identity;
}

fs::path libraryFolder()
{
    if (const char* given = std::getenv("ESPALIER_LIBRARY"); given && *given)
        return given;
    if (const char* data = std::getenv("XDG_DATA_HOME"); data && *data)
        return fs::path(data) / "espalier" / "runs";
    const char* home = std::getenv("HOME");
    return fs::path(home && *home ? home : ".") / ".local" / "share" / "espalier" / "runs";
}

fs::path dataFolder()
{
    return libraryFolder().parent_path() / "data";
}

std::string safeName(std::string_view text)
{
    std::string name;
    for (const char c : text)
        if (plain(c) || c == '.')
            name += c;
        else if (!name.empty() && name.back() != '-')
            name += '-';
    while (!name.empty() && (name.front() == '.' || name.front() == '-'))
        name.erase(name.begin());
    name.resize(std::min<std::size_t>(name.size(), 80));
    while (!name.empty() && (name.back() == '-' || name.back() == '.'))
        name.pop_back();
    return name.empty() ? "run" : name;
}

fs::path newRunPath(const fs::path& library, std::string_view stem)
{
    const std::time_t now = std::time(nullptr);
    std::tm local{};
    ::localtime_r(&now, &local);
    const auto base = fmt::format("{}-{:04}-{:02}-{:02}", safeName(stem), local.tm_year + 1900, local.tm_mon + 1, local.tm_mday);
    std::error_code ignored;
    for (int n = 1;; ++n) {
        auto path = library / (n == 1 ? base : fmt::format("{}-{}", base, n));
        if (!fs::exists(fs::symlink_status(path, ignored)))
            return path;
    }
}

Result<RunFolder> findRun(std::string_view typed)
{
    std::error_code error;
    const fs::path path{typed};
    if (isRunFolder(path))
        return RunFolder(fs::absolute(path, error).lexically_normal());
    if (!typed.empty() && !path.is_absolute() && isRunFolder(libraryFolder() / path))
        return RunFolder((libraryFolder() / path).lexically_normal());
    if (fs::exists(path, error))
        return Error{ErrorCode::Usage, fmt::format("{} holds no run: neither run.json nor config.json is in it.", path.string()), {}};
    return Error{ErrorCode::Usage,
                 fmt::format("There is no run {}. Give its folder, or the name of a run in {}.", typed, libraryFolder().string()),
                 {}};
}

} // namespace espalier::runs
