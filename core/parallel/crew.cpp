// SPDX-License-Identifier: Apache-2.0
#include "core/parallel/crew.h"

#include "core/base/parse_json.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <exception>
#include <optional>

namespace espalier::parallel {
namespace {

enum class Kind : std::int64_t { Dismissed, Ask, Rows, Failed };
constexpr std::int64_t kMostDimensions = 8;
// kind, type, dimensions, sizes …, error code
constexpr std::int64_t kHead = 4 + kMostDimensions;

at::Tensor bytesOf(const std::string& text)
{
    auto bytes = at::empty({static_cast<std::int64_t>(text.size())}, at::kByte);
    std::memcpy(bytes.data_ptr(), text.data(), text.size());
    return bytes;
}

std::string textOf(const at::Tensor& bytes)
{
    return {static_cast<const char*>(bytes.const_data_ptr()), static_cast<std::size_t>(bytes.numel())};
}

/// A message is taken over when the other rank is ready for it, which may be at work.
class Waiting {
public:
    explicit Waiting(const Crew::Waits& told) : m_told(told)
    {
        if (m_told)
            m_told(true);
    }
    ~Waiting()
    {
        if (m_told)
            m_told(false);
    }
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;

private:
    const Crew::Waits& m_told;
};

} // namespace

/// A head of fixed size that says what follows, and a tensor: rows, or the bytes of a text.
struct Crew::Message {
    Kind kind = Kind::Dismissed;
    at::Tensor body;
    ErrorCode code = ErrorCode::Internal;
};

Crew::Crew(std::shared_ptr<ProcessGroup> group, Waits waits) : m_group(std::move(group)), m_waits(std::move(waits)) {}

Crew::~Crew()
{
    if (leads() && size() > 1 && !m_lost)
        dismiss();
}

void Crew::dismiss()
{
    try {
        for (int rank = 1; rank < size(); ++rank)
            send(rank, {});
    } catch (const std::exception&) { // one that is gone is told by its supervisor
    }
}

void Crew::send(int to, const Message& message)
{
    auto head = at::zeros({kHead}, at::kLong);
    auto* fields = head.mutable_data_ptr<std::int64_t>();
    const auto body = message.body.defined() ? message.body.contiguous() : at::empty({0}, at::kByte);
    fields[0] = static_cast<std::int64_t>(message.kind);
    fields[1] = static_cast<std::int64_t>(body.scalar_type());
    fields[2] = body.dim();
    std::copy(body.sizes().begin(), body.sizes().end(), fields + 3);
    fields[3 + kMostDimensions] = static_cast<std::int64_t>(message.code);
    const Waiting waiting(m_waits);
    try {
        m_group->startSend(head, to)();
        if (body.numel() > 0)
            m_group->startSend(body, to)();
    } catch (...) {
        m_lost = true;
        throw;
    }
}

Crew::Message Crew::receive(int from)
{
    const Waiting waiting(m_waits);
    try {
        const auto head = at::zeros({kHead}, at::kLong);
        m_group->receive(head, from);
        const auto* fields = head.const_data_ptr<std::int64_t>();
        Message message{static_cast<Kind>(fields[0]), {}, static_cast<ErrorCode>(fields[3 + kMostDimensions])};
        message.body = at::empty(at::IntArrayRef(fields + 3, static_cast<std::size_t>(fields[2])), static_cast<at::ScalarType>(fields[1]));
        if (message.body.numel() > 0)
            m_group->receive(message.body, from);
        return message;
    } catch (...) {
        m_lost = true;
        throw;
    }
}

Result<at::Tensor> Crew::madeBy(int rank)
{
    auto message = receive(rank);
    if (message.kind == Kind::Rows)
        return std::move(message.body);
    const auto said = textOf(message.body);
    return Error{message.code, message.code == ErrorCode::Cancelled ? said : fmt::format("Rank {}: {}", rank, said), {}};
}

Result<Done> Crew::map(const Json& ask, const at::Tensor& rows, std::int64_t piece, const Work& own, const Take& take)
{
    const auto count = rows.size(0);
    const auto part = [&](std::int64_t first) { return rows.narrow(0, first, std::min(piece, count - first)); };
    const auto helpers = static_cast<int>(std::min<std::int64_t>(size() - 1, count > 0 ? (count - 1) / piece : 0));
    for (int rank = 1; rank <= helpers; ++rank)
        send(rank, {Kind::Ask, bytesOf(ask.dump())});
    for (std::int64_t first = 0; first < count; first += (helpers + 1) * piece) {
        int busy = 0;
        while (busy < helpers && first + (busy + 1) * piece < count) {
            ++busy;
            send(busy, {Kind::Rows, part(first + busy * piece)});
        }
        std::optional<Error> problem;
        std::exception_ptr thrown;
        const auto use = [&](std::int64_t at, const std::function<Result<at::Tensor>()>& make) {
            try {
                const auto made = make();
                const auto done = made ? take(at, *made) : Result<Done>(made.error());
                if (!done)
                    problem = done.error();
            } catch (...) {
                thrown = std::current_exception();
            }
        };
        use(first, [&] { return own(part(first)); });
        // What was dealt is waited for, whatever has gone wrong meanwhile: a rank that is not heard out cannot be told anything.
        for (int rank = 1; rank <= busy; ++rank) {
            auto made = madeBy(rank);
            if (!problem && !thrown)
                use(first + rank * piece, [&] { return std::move(made); });
        }
        if (thrown)
            std::rethrow_exception(thrown);
        if (problem)
            return *problem;
    }
    return Done{};
}

Result<Done> Crew::help(const std::function<Result<Work>(const Json& ask)>& workFor)
{
    Result<Work> work = Error{ErrorCode::Internal, "Rows came before anybody said what is to be done with them.", {}};
    for (;;) {
        const auto message = receive(0);
        if (message.kind == Kind::Dismissed)
            return Done{};
        if (message.kind == Kind::Ask) {
            work = workFor(parseJson(textOf(message.body)));
            continue;
        }
        const auto made = work ? (*work)(message.body) : Result<at::Tensor>(work.error());
        if (made)
            send(0, {Kind::Rows, *made});
        else
            send(0, {Kind::Failed, bytesOf(made.error().message), made.error().code});
    }
}

} // namespace espalier::parallel
