// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/log.h"
#include "core/base/result.h"
#include "core/runs/events.h"
#include "core/runs/run_folder.h"
#include "core/runs/scalars.h"

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <variant>
#include <vector>

namespace espalier::runs {

/// "2026-11-23 21:04:07 warning message" and a newline: a line of log.txt.
std::string logLine(LogLevel level, std::string_view message);

/// Takes what RunWriter writes a second time, as TensorBoard event files. Called on the writer thread only.
class ScalarMirror {
public:
    virtual ~ScalarMirror() = default;
    virtual void scalar(std::string_view tag, const ScalarPoint& point) = 0;
    virtual void image(std::string_view tag, std::int64_t step, double time, const std::filesystem::path& png) = 0;
    virtual void flush() = 0;
};

/// The pen of rank 0, from its start to its exit. Writes on its own thread, so that training never waits for a disk; events are in
/// the file within moments, scalars within 100 ms, all of it when flush() returns. Any thread may call anything.
class RunWriter {
public:
    /// Picks the next attempt, writes `resumed` when there was one before or `fromStep` > 0.
    static Result<std::unique_ptr<RunWriter>> open(const RunFolder& folder, std::int64_t fromStep,
                                                   std::unique_ptr<ScalarMirror> mirror = {});
    ~RunWriter(); // writes what is queued

    int attempt() const { return m_attempt; }
    const RunFolder& folder() const { return m_folder; }

    void scalar(std::string_view tag, std::int64_t step, double value, std::string_view unit = "");
    template <class T>
    void write(const T& what)
    {
        event(makeEvent(what));
    }
    /// Queued; order is kept.
    void event(Event event);
    /// A state event, when the state is another one than last time.
    void state(RunState state, std::string_view why = "");
    /// A line of log.txt with time and level.
    void log(LogLevel level, std::string_view message);
    /// This writer as a log sink. The writer must outlive it.
    Log logSink();
    /// A grid for TensorBoard.
    void image(std::string_view tag, std::int64_t step, const std::filesystem::path& png);

    /// Waits until everything queued so far is in the files (do so before a checkpoint becomes whole: what it covers is not made again);
    /// gives the first error since opening (a full disk …), which stays.
    Result<Done> flush();
    /// The first error, without waiting: look once a step or so and end the run on it.
    std::optional<Error> firstError() const;

private:
    struct ScalarItem {
        std::string tag, unit;
        ScalarPoint point;
    };
    struct LogItem {
        std::string line;
    };
    struct ImageItem {
        std::string tag;
        std::int64_t step;
        double time;
        std::filesystem::path png;
    };
    using Item = std::variant<ScalarItem, Event, LogItem, ImageItem>;
    RunWriter(RunFolder folder, int attempt, EventLog events, int logFd, std::unique_ptr<ScalarMirror> mirror);
    void work();
    void put(Item item);
    void store(Item& item);
    void flushScalars();
    void note(const Result<Done>& result);

    const RunFolder m_folder;
    const int m_attempt;
    EventLog m_events;                                          // writer thread
    int m_log = -1;                                             // writer thread
    std::map<std::string, ScalarWriter, std::less<>> m_scalars; // writer thread
    std::unique_ptr<ScalarMirror> m_mirror;                     // writer thread
    mutable std::mutex m_mutex;
    std::condition_variable m_wake, m_idle;
    std::vector<Item> m_queue;
    std::uint64_t m_queued = 0, m_stored = 0;
    bool m_ending = false, m_urgent = false;
    std::optional<Error> m_error;
    std::optional<RunState> m_state;
    std::thread m_thread;
};

} // namespace espalier::runs
