// SPDX-License-Identifier: Apache-2.0
#include "core/training/waiting.h"

#include "core/base/text.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <string>

namespace espalier::training {

void makeMaximum(parallel::ProcessGroup& group, std::vector<std::int64_t>& values)
{
    if (group.world() == 1)
        return;
    const auto tensor = at::tensor(values, at::kLong);
    group.startMaximum(tensor)();
    std::copy_n(tensor.const_data_ptr<std::int64_t>(), values.size(), values.begin());
}

void Waiting::operator()(const char* what, std::int64_t done, std::int64_t of)
{
    const auto now = std::chrono::steady_clock::now();
    if (now - m_last < std::chrono::seconds(1))
        return;
    m_last = now;
    const auto text = of > 0 ? fmt::format("{}: {} of {}", what, groupedNumber(done), groupedNumber(of)) : std::string(what);
    m_link.heartbeat(m_step, text);
    if (!m_writer || now - m_lastState < std::chrono::seconds(10))
        return;
    m_lastState = now;
    m_writer->state(runs::RunState::Starting, text);
}

} // namespace espalier::training
