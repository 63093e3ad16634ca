// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cassert>
#include <string>
#include <utility>
#include <variant>

namespace espalier {

enum class ErrorCode {
    Usage,     // a wrong setting, flag or field: exit 2
    Io,        // a file or folder could not be read or written
    Format,    // a file is damaged, truncated or not what its name says
    Busy,      // somebody else holds the run
    Memory,    // no memory left on host or device
    Device,    // a device is missing or failed
    NotFinite, // loss or gradients became NaN or infinite
    Lost,      // a peer process ended or stopped answering
    Cancelled, // asked to stop
    Internal,  // a bug: an exception nobody expected
};

/// What went wrong. `message` is one sentence for the user: what was tried, the field or file, what to do. `detail` is for the log.
struct Error {
    ErrorCode code = ErrorCode::Internal;
    std::string message;
    std::string detail;
};

/// The value of a function that can fail but has nothing to give back.
struct Done {};

/// Either a value or an Error. Converts from both, so functions `return value;` or `return Error{…};`.
template <class T>
class [[nodiscard]] Result {
public:
    Result(T value) : m_either(std::in_place_index<0>, std::move(value)) {}
    Result(Error error) : m_either(std::in_place_index<1>, std::move(error)) {}

    explicit operator bool() const { return m_either.index() == 0; }
    const T& value() const& { return assert(*this), std::get<0>(m_either); }
    T& value() & { return assert(*this), std::get<0>(m_either); }
    T&& value() && { return assert(*this), std::get<0>(std::move(m_either)); }
    const Error& error() const& { return assert(!*this), std::get<1>(m_either); }
    Error&& error() && { return assert(!*this), std::get<1>(std::move(m_either)); }
    const T& operator*() const& { return value(); }
    T& operator*() & { return value(); }
    T&& operator*() && { return std::move(*this).value(); }
    const T* operator->() const { return &value(); }
    T* operator->() { return &value(); }

private:
    std::variant<T, Error> m_either;
};

/// Exit status of every program: 0 done, 1 failed, 2 used wrongly.
inline int exitCode(const Error& error)
{
    return error.code == ErrorCode::Usage ? 2 : 1;
}

} // namespace espalier
