// SPDX-License-Identifier: Apache-2.0
#include "core/runs/curves.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <limits>
#include <sys/stat.h>

namespace espalier::runs {
namespace fs = std::filesystem;

std::int64_t modifiedNs(const fs::path& path, std::uint64_t* size)
{
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0)
        return -1;
    if (size)
        *size = static_cast<std::uint64_t>(std::max<off_t>(status.st_size, 0));
    return static_cast<std::int64_t>(status.st_mtim.tv_sec) * 1'000'000'000 + status.st_mtim.tv_nsec;
}

namespace {

constexpr std::size_t kPiece = std::size_t{1} << 18; // points read at once
constexpr std::uint64_t kMostReserved = 100'000'000; // a sparse file may claim any size

/// Two changes within one tick of the file system's clock have one time: a folder that changed just now is listed again.
bool settled(std::int64_t modified)
{
    const auto now = std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
    return now - modified > 50'000'000 || modified > now;
}

} // namespace

const Curves::Curve* Curves::find(std::string_view tag) const
{
    const auto at = m_curves.find(tag);
    return at == m_curves.end() ? nullptr : &at->second;
}

void Curves::clear()
{
    *this = Curves(m_folder);
}

std::int64_t Curves::limitOf(int attempt) const
{
    std::int64_t limit = std::numeric_limits<std::int64_t>::max();
    for (auto at = m_resumes.upper_bound(attempt); at != m_resumes.end(); ++at)
        limit = std::min(limit, at->second);
    return limit;
}

std::vector<std::string> Curves::resume(int attempt, std::int64_t fromStep)
{
    m_resumes[attempt] = fromStep;
    std::vector<std::string> cut;
    for (auto& [tag, curve] : m_curves)
        if (curve.points.truncateAfter(fromStep) > 0)
            cut.push_back(tag);
    return cut;
}

bool Curves::listAttempts()
{
    const auto modified = modifiedNs(m_folder.scalarsFolder());
    if (modified < 0 || modified == m_listedAt)
        return false;
    std::error_code error;
    for (fs::directory_iterator at(m_folder.scalarsFolder(), error), end; !error && at != end; at.increment(error)) {
        const auto name = at->path().filename().string();
        int number = 0;
        const auto [last, why] = std::from_chars(name.data(), name.data() + name.size(), number);
        if (why == std::errc{} && last == name.data() + name.size() && number > 0 && m_attempts.size() < kMaxAttempts)
            m_attempts.try_emplace(number);
    }
    m_listedAt = settled(modified) ? modified : -1;
    return true;
}

void Curves::listFiles(int number, Attempt& attempt)
{
    const auto folder = m_folder.scalarsFolder(number);
    const auto modified = modifiedNs(folder);
    if (modified < 0 || modified == attempt.listedAt)
        return;
    std::error_code error;
    for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
        const auto name = at->path().filename().string();
        if (name.ends_with(".bin") && !name.starts_with('.') && attempt.files.size() < kMaxTags)
            attempt.files.try_emplace(name, File{ScalarReader(at->path())});
    }
    attempt.listedAt = settled(modified) ? modified : -1;
}

void Curves::readFile(int number, File& file, std::vector<std::string>& grown)
{
    const auto limit = limitOf(number);
    for (;;) {
        m_buffer.clear();
        const auto got = file.reader.poll(m_buffer, kPiece);
        if (!got) {
            file.broken = true;
            m_problem = got.error().message;
            return;
        }
        if (*got == 0)
            return;
        if (file.reader.tag().empty() || (!m_curves.contains(file.reader.tag()) && m_curves.size() >= kMaxTags))
            return;
        auto& curve = m_curves[file.reader.tag()];
        if (curve.unit.empty())
            curve.unit = file.reader.unit();
        if (*got == kPiece) // a long file: its size says how many are left
            if (std::uint64_t size = 0; modifiedNs(file.reader.file(), &size) >= 0 && size > file.reader.offset())
                curve.points.reserve(curve.points.size() + *got +
                                     std::min<std::uint64_t>((size - file.reader.offset()) / sizeof(ScalarPoint), kMostReserved));
        std::span<const ScalarPoint> points(m_buffer);
        // Steps of one file never fall; those beyond the limit were trained again by a later attempt.
        std::vector<ScalarPoint> visible;
        if (!points.empty() && points.back().step > limit) {
            for (const auto& point : points)
                if (point.step <= limit)
                    visible.push_back(point);
            points = visible;
        }
        if (curve.points.append(points) > 0 && (grown.empty() || grown.back() != file.reader.tag()))
            grown.push_back(file.reader.tag());
    }
}

std::vector<std::string> Curves::poll(bool trustAll)
{
    std::vector<std::string> grown;
    listAttempts();
    if (m_attempts.empty())
        return grown;
    const int newest = m_attempts.rbegin()->first;
    for (auto& [number, attempt] : m_attempts) {
        if (attempt.done)
            continue;
        // Before its `resumed` event is read, nobody knows which earlier points the attempt supersedes.
        const bool known = number == m_attempts.begin()->first || m_resumes.lower_bound(number) != m_resumes.end();
        if (!known && !trustAll)
            break;
        listFiles(number, attempt);
        for (auto& [name, file] : attempt.files) {
            if (file.broken)
                continue;
            std::uint64_t size = 0;
            if (modifiedNs(m_folder.scalarsFolder(number) / name, &size) >= 0 && size != file.reader.offset())
                readFile(number, file, grown);
        }
        attempt.done = number != newest && attempt.listedAt >= 0;
    }
    std::sort(grown.begin(), grown.end());
    grown.erase(std::unique(grown.begin(), grown.end()), grown.end());
    return grown;
}

} // namespace espalier::runs
