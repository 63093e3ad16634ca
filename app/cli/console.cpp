// SPDX-License-Identifier: Apache-2.0
#include "app/cli/console.h"

#include "core/runs/events.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <unistd.h>

namespace espalier::cli {

namespace {

void put(std::FILE* where, std::string_view text)
{
    std::fwrite(text.data(), 1, text.size(), where);
    std::fflush(where);
}

} // namespace

Console::Console()
{
    const char* term = std::getenv("TERM");
    m_terminal = ::isatty(STDERR_FILENO) && term && std::string_view(term) != "dumb";
}

void Console::note(std::string_view text)
{
    if (quiet)
        return;
    endProgress();
    put(stderr, fmt::format("{}\n", text));
}

void Console::progress(std::string_view text)
{
    if (quiet)
        return;
    if (m_terminal) {
        put(stderr, fmt::format("\r\033[K{}", text));
        m_line = true;
        return;
    }
    const auto now = std::chrono::steady_clock::now();
    if (m_lastLine != std::chrono::steady_clock::time_point{} && now - m_lastLine < std::chrono::seconds(10))
        return;
    m_lastLine = now;
    put(stderr, fmt::format("{}\n", text));
}

void Console::endProgress()
{
    if (m_line)
        put(stderr, "\n");
    m_line = false;
}

void Console::result(const Json& document, std::string_view text)
{
    endProgress();
    if (json)
        put(stdout, document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
    else if (!text.empty())
        put(stdout, fmt::format("{}{}", text, text.ends_with('\n') ? "" : "\n"));
}

int Console::fail(const Error& error)
{
    endProgress();
    put(stderr, fmt::format("espalier-cli: {}\n", error.message));
    if (json)
        put(stdout, Json{{"error", {{"code", runs::errorCodeText(error.code)}, {"message", error.message}, {"detail", error.detail}}}}.dump(
                        2, ' ', false, Json::error_handler_t::replace) +
                        "\n");
    return exitCode(error);
}

} // namespace espalier::cli
