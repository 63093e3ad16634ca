// SPDX-License-Identifier: Apache-2.0
#include "core/runs/run_writer.h"

#include "core/base/files.h"

#include <fmt/format.h>

#include <cerrno>
#include <charconv>
#include <ctime>
#include <fcntl.h>
#include <unistd.h>

namespace espalier::runs {
namespace fs = std::filesystem;
namespace {

constexpr auto kFlushEvery = std::chrono::milliseconds(100);
constexpr std::size_t kMaxQueue = std::size_t{1} << 20; // a disk that hangs makes training wait at last, rather than fill the memory

int newestAttempt(const RunFolder& folder)
{
    int newest = 0;
    std::error_code error;
    for (fs::directory_iterator at(folder.scalarsFolder(), error), end; !error && at != end; at.increment(error)) {
        const auto name = at->path().filename().string();
        int attempt = 0;
        const auto [last, why] = std::from_chars(name.data(), name.data() + name.size(), attempt);
        if (why == std::errc{} && last == name.data() + name.size())
            newest = std::max(newest, attempt);
    }
    return newest;
}

std::string_view levelText(LogLevel level)
{
    switch (level) {
    case LogLevel::Debug:
        return "debug";
    case LogLevel::Info:
        return "info";
    case LogLevel::Warning:
        return "warning";
    case LogLevel::Error:
        return "error";
    }
    return "info";
}

} // namespace

std::string logLine(LogLevel level, std::string_view message)
{
    const std::time_t now = std::time(nullptr);
    std::tm local{};
    ::localtime_r(&now, &local);
    std::string line = fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02} {:<7} {}", local.tm_year + 1900, local.tm_mon + 1, local.tm_mday,
                                   local.tm_hour, local.tm_min, local.tm_sec, levelText(level), message);
    for (char& c : line)
        if (c == '\n' || c == '\r')
            c = ' ';
    return line + '\n';
}

Result<std::unique_ptr<RunWriter>> RunWriter::open(const RunFolder& folder, std::int64_t fromStep, std::unique_ptr<ScalarMirror> mirror)
{
    const int attempt = newestAttempt(folder) + 1;
    auto events = EventLog::open(folder.eventsFile());
    if (!events)
        return events.error();
    // The event comes first: who follows must know what is superseded before the points that do it.
    if (attempt > 1 || fromStep > 0)
        if (auto done = events->write(Resumed{attempt, fromStep}); !done)
            return done.error();
    std::error_code error;
    fs::create_directories(folder.scalarsFolder(attempt), error);
    if (error)
        return ioError("create", folder.scalarsFolder(attempt), error.value());
    const int log = ::open(folder.logFile().c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (log < 0)
        return ioError("open", folder.logFile(), errno);
    return std::unique_ptr<RunWriter>(new RunWriter(folder, attempt, std::move(*events), log, std::move(mirror)));
}

RunWriter::RunWriter(RunFolder folder, int attempt, EventLog events, int logFd, std::unique_ptr<ScalarMirror> mirror)
    : m_folder(std::move(folder)), m_attempt(attempt), m_events(std::move(events)), m_log(logFd), m_mirror(std::move(mirror)),
      m_thread([this] { work(); })
{
}

RunWriter::~RunWriter()
{
    {
        const std::lock_guard lock(m_mutex);
        m_ending = true;
    }
    m_wake.notify_all();
    m_thread.join();
    ::close(m_log);
}

void RunWriter::put(Item item)
{
    const bool urgent = !std::holds_alternative<ScalarItem>(item);
    {
        std::unique_lock lock(m_mutex);
        m_idle.wait(lock, [this] { return m_queue.size() < kMaxQueue; });
        m_queue.push_back(std::move(item));
        ++m_queued;
        m_urgent = m_urgent || urgent;
        if (!urgent && m_queue.size() > 1)
            return; // the thread is awake, or will be in a moment
    }
    m_wake.notify_all();
}

void RunWriter::scalar(std::string_view tag, std::int64_t step, double value, std::string_view unit)
{
    put(ScalarItem{std::string(tag), std::string(unit), {step, wallTime(), value}});
}

void RunWriter::event(Event event)
{
    put(std::move(event));
}

void RunWriter::state(RunState state, std::string_view why)
{
    {
        const std::lock_guard lock(m_mutex);
        if (m_state == state)
            return;
        m_state = state;
    }
    write(StateChanged{state, std::string(why)});
}

void RunWriter::log(LogLevel level, std::string_view message)
{
    put(LogItem{logLine(level, message)});
}

Log RunWriter::logSink()
{
    return [this](LogLevel level, std::string_view message) { log(level, message); };
}

void RunWriter::image(std::string_view tag, std::int64_t step, const fs::path& png)
{
    put(ImageItem{std::string(tag), step, wallTime(), png});
}

Result<Done> RunWriter::flush()
{
    std::unique_lock lock(m_mutex);
    const auto until = m_queued;
    m_urgent = true;
    m_wake.notify_all();
    m_idle.wait(lock, [&] { return m_stored >= until; });
    if (m_error)
        return *m_error;
    return Done{};
}

std::optional<Error> RunWriter::firstError() const
{
    const std::lock_guard lock(m_mutex);
    return m_error;
}

void RunWriter::note(const Result<Done>& result)
{
    if (result)
        return;
    const std::lock_guard lock(m_mutex);
    if (!m_error)
        m_error = result.error();
}

void RunWriter::work()
{
    std::vector<Item> batch;
    auto lastFlush = std::chrono::steady_clock::now() - kFlushEvery;
    for (;;) {
        {
            std::unique_lock lock(m_mutex);
            m_wake.wait(lock, [this] { return !m_queue.empty() || m_ending || m_urgent; });
            // Scalars alone wait for company, so that a fast trainer costs ten writes a second and not a thousand.
            m_wake.wait_until(lock, lastFlush + kFlushEvery, [this] { return m_ending || m_urgent; });
            if (m_ending && m_queue.empty())
                break;
            batch.swap(m_queue);
            m_urgent = false;
        }
        m_idle.notify_all(); // room in the queue
        for (auto& item : batch)
            store(item);
        flushScalars();
        lastFlush = std::chrono::steady_clock::now();
        {
            const std::lock_guard lock(m_mutex);
            m_stored += batch.size();
        }
        batch.clear();
        m_idle.notify_all();
    }
    flushScalars();
}

void RunWriter::store(Item& item)
{
    if (auto* scalar = std::get_if<ScalarItem>(&item)) {
        auto at = m_scalars.find(scalar->tag);
        if (at == m_scalars.end()) {
            auto writer = ScalarWriter::create(m_folder.scalarsFile(m_attempt, scalar->tag), scalar->tag, scalar->unit);
            if (!writer)
                return note(writer.error());
            at = m_scalars.emplace(scalar->tag, std::move(*writer)).first;
        }
        at->second.add(scalar->point);
        if (m_mirror)
            m_mirror->scalar(scalar->tag, scalar->point);
    } else if (const auto* event = std::get_if<Event>(&item)) {
        flushScalars(); // who reads "finished" finds the last point
        note(m_events.append(*event));
    } else if (const auto* log = std::get_if<LogItem>(&item)) {
        if (::write(m_log, log->line.data(), log->line.size()) < 0)
            note(ioError("write", m_folder.logFile(), errno));
    } else if (const auto* image = std::get_if<ImageItem>(&item)) {
        if (m_mirror)
            m_mirror->image(image->tag, image->step, image->time, image->png);
    }
}

void RunWriter::flushScalars()
{
    for (auto& [tag, writer] : m_scalars)
        if (writer.pending() > 0)
            note(writer.flush());
    if (m_mirror)
        m_mirror->flush();
}

} // namespace espalier::runs
