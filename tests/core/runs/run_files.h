// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/files.h"
#include "core/runs/run_folder.h"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>
#include <unistd.h>

namespace espalier::tests {

/// A folder of this test alone, gone afterwards.
class RunFiles : public testing::Test {
protected:
    void SetUp() override { std::filesystem::create_directories(m_folder); }
    void TearDown() override { std::filesystem::remove_all(m_folder); }

    runs::RunFolder newRun(const std::string& name = "run", Json config = {{"training", {{"steps", 100}}}, {"model", {{"kind", "unet"}}}})
    {
        auto run = runs::createRunFolder(m_folder / name, {{"schema", 1}, {"config", std::move(config)}, {"changed", Json::array()}});
        if (!run)
            throw std::runtime_error(run.error().message);
        return *run;
    }
    static void append(const std::filesystem::path& file, std::string_view text)
    {
        std::ofstream(file, std::ios::binary | std::ios::app) << text;
    }
    static std::string textOf(const std::filesystem::path& file)
    {
        auto text = readFile(file);
        return text ? *text : "";
    }

    static std::filesystem::path freshPath()
    {
        static std::atomic<int> count{0};
        return std::filesystem::temp_directory_path() / ("espalier-runs-" + std::to_string(::getpid()) + "-" + std::to_string(count++));
    }
    std::filesystem::path m_folder = freshPath();
};

} // namespace espalier::tests
