// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <stop_token>
#include <thread>

namespace espalier::gui {

/// One thread for work that takes long, one after the other. post() and stop() may be called by any thread.
class JobThread {
public:
    using Job = std::function<void(std::stop_token)>;
    JobThread() : m_thread([this](std::stop_token stop) { run(stop); }) {}
    ~JobThread() { stop(); }

    void post(Job job)
    {
        {
            std::lock_guard lock(m_mutex);
            m_jobs.push_back(std::move(job));
        }
        m_wake.notify_one();
    }
    /// Ends what runs, forgets what waits, joins.
    void stop()
    {
        m_thread.request_stop();
        if (m_thread.joinable())
            m_thread.join();
    }

private:
    void run(std::stop_token stop)
    {
        for (;;) {
            Job job;
            {
                std::unique_lock lock(m_mutex);
                if (!m_wake.wait(lock, stop, [this] { return !m_jobs.empty(); }))
                    return;
                job = std::move(m_jobs.front());
                m_jobs.pop_front();
            }
            if (stop.stop_requested())
                return;
            job(stop);
        }
    }

    std::mutex m_mutex;
    std::condition_variable_any m_wake;
    std::deque<Job> m_jobs;
    std::jthread m_thread; // last
};

} // namespace espalier::gui
