// SPDX-License-Identifier: Apache-2.0
#include "app/worker/out_of_memory.h"

#include "core/config/batch.h"
#include "core/config/config.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>
#include <gtest/gtest.h>

namespace espalier::worker {
namespace {

Trained trained(std::int64_t batch, std::int64_t micro = 0, std::int64_t accumulation = 0, bool recompute = false)
{
    Trained t;
    t.config.training.batchSize = batch;
    t.config.training.microBatch = micro;
    t.config.training.accumulation = accumulation;
    t.config.training.recompute = recompute;
    return t;
}

/// What LibTorch's allocator of a GPU throws.
std::string gpuMessage()
{
    try {
        C10_THROW_ERROR(OutOfMemoryError,
                        "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.11 GiB of which 1.02 GiB is "
                        "free. Including non-PyTorch memory, this process has 78.09 GiB memory in use.");
    } catch (const c10::OutOfMemoryError& problem) {
        return problem.what();
    }
    return {};
}

} // namespace

TEST(OutOfMemory, SaysWhatTheGpuWasAskedForAndHas)
{
    const auto error = outOfMemory(gpuMessage(), trained(64, 32), 0);
    EXPECT_EQ(error.code, ErrorCode::Memory);
    EXPECT_EQ(error.message,
              "The GPU ran out of memory: 2.00 GiB more were asked for, and 1.02 GiB are free. Set training.micro_batch to 16 "
              "(it is 32): with 4 accumulations the global batch stays 64.");
    EXPECT_NE(error.detail.find("79.11 GiB"), std::string::npos);
}

TEST(OutOfMemory, SaysWhatTheMachineWasAskedForAndHas)
{
    std::string message;
    try {
        (void)at::empty({std::int64_t{1} << 50}, at::kByte);
    } catch (const std::exception& problem) {
        message = problem.what();
    }
    ASSERT_NE(message.find("can't allocate memory"), std::string::npos) << message;
    const auto error = outOfMemory(message, trained(8), 3'000'000'000);
    EXPECT_EQ(error.message,
              "The machine ran out of memory: 1.1 PB more were asked for, and 3.0 GB are free. Set training.micro_batch to 4 "
              "(it is 8): with 2 accumulations the global batch stays 8.");
    // std::bad_alloc says nothing.
    EXPECT_EQ(outOfMemory("std::bad_alloc", std::nullopt, 0).message,
              "The machine ran out of memory. Close what else uses it, or choose another device.");
}

TEST(OutOfMemory, OffersOneChangeThatKeepsTheGlobalBatch)
{
    EXPECT_EQ(changeThatFits(trained(12, 3, 4)),
              "Set training.micro_batch to 1 (it is 3) and training.accumulation to 12: with 12 accumulations the global batch stays 12.");
    EXPECT_EQ(changeThatFits(trained(4, 1)),
              "Set training.recompute to true: blocks are computed twice instead of kept, and the global batch stays 4.");
    EXPECT_EQ(changeThatFits(trained(4, 1, 0, true)), "");
    auto mixed = trained(64, 32);
    mixed.config.data.augment.mixGroup = 16;
    EXPECT_NE(changeThatFits(mixed).find("micro_batch to 16"), std::string::npos);
    mixed.config.data.augment.mixGroup = 32;
    EXPECT_NE(changeThatFits(mixed).find("recompute"), std::string::npos);
    // What is offered is accepted, and trains the same batch.
    for (auto offered = trained(60); offered.config.training.microBatch != 1;) {
        const auto text = changeThatFits(offered);
        ASSERT_EQ(std::sscanf(text.c_str(), "Set training.micro_batch to %ld", &offered.config.training.microBatch), 1) << text;
        const auto split = config::deriveBatch(offered.config.training, 1);
        ASSERT_TRUE(split) << split.error().message;
        EXPECT_EQ(split->globalBatch(), 60);
    }
}

} // namespace espalier::worker
