// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/runs/pyramid.h"
#include "core/runs/run_folder.h"
#include "core/runs/scalars.h"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace espalier::runs {

/// The curves of a run: scalar files of all attempts, joined, without what a resume superseded. One thread.
class Curves {
public:
    explicit Curves(RunFolder folder) : m_folder(std::move(folder)) {}

    struct Curve {
        Pyramid points;
        std::string unit;
    };

    /// Attempt `attempt` went on from `fromStep`: hides what earlier attempts have beyond it. Gives the tags that lost points.
    std::vector<std::string> resume(int attempt, std::int64_t fromStep);
    /// Reads what was added; gives the tags that grew. `trustAll`: attempts without a `resumed` event count too (a damaged events file).
    std::vector<std::string> poll(bool trustAll);
    const std::map<std::string, Curve, std::less<>>& all() const { return m_curves; }
    const Curve* find(std::string_view tag) const;
    /// One sentence for a file that cannot be read, else "".
    const std::string& problem() const { return m_problem; }
    void clear();

private:
    struct File {
        ScalarReader reader;
        bool broken = false;
    };
    struct Attempt {
        std::map<std::string, File> files; // by file name
        std::int64_t listedAt = -1;        // modification time of the folder, in ns, when it was listed last
        bool done = false;                 // a later attempt exists and every file was read to its end
    };
    bool listAttempts();
    void listFiles(int number, Attempt& attempt);
    void readFile(int number, File& file, std::vector<std::string>& grown);
    std::int64_t limitOf(int attempt) const;

    static constexpr std::size_t kMaxTags = 4096, kMaxAttempts = 100'000;
    RunFolder m_folder;
    std::map<int, Attempt> m_attempts;
    std::map<int, std::int64_t> m_resumes; // attempt -> from step
    std::map<std::string, Curve, std::less<>> m_curves;
    std::int64_t m_listedAt = -1;
    std::string m_problem;
    std::vector<ScalarPoint> m_buffer;
};

/// Modification time in nanoseconds, or -1 when there is no such file. `size` may be null.
std::int64_t modifiedNs(const std::filesystem::path& path, std::uint64_t* size = nullptr);

} // namespace espalier::runs
