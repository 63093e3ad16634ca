// SPDX-License-Identifier: Apache-2.0
#include "core/training/control_word.h"

#include <ATen/ATen.h>

namespace espalier::training {
namespace {
constexpr int kOrders = 6;
} // namespace

ControlWord::ControlWord(std::shared_ptr<parallel::ProcessGroup> group) : m_group(std::move(group)), m_word(at::zeros({kOrders}, at::kLong))
{
}

std::int64_t ControlWord::exchange(std::int64_t mine)
{
    if (m_group->world() == 1)
        return mine;
    std::int64_t agreed = 0;
    auto* bits = m_word.data_ptr<std::int64_t>();
    if (m_wait) {
        m_wait();
        for (int i = 0; i < kOrders; ++i)
            agreed |= bits[i] << i;
    }
    for (int i = 0; i < kOrders; ++i)
        bits[i] = (mine >> i) & 1;
    m_wait = m_group->startMaximum(m_word);
    return agreed;
}

} // namespace espalier::training
