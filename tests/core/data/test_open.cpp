// SPDX-License-Identifier: Apache-2.0
#include "core/data/dataset.h"
#include "tests/core/data/scratch_folder.h"

#include <gtest/gtest.h>

using namespace espalier;
using namespace espalier::data;
using espalier::tests::ScratchFolder;

TEST(OpenDataset, NeedsNothingForTheGarden)
{
    config::DataConfig config;
    const auto train = open(config, Split::Train, "/nowhere", {}), test = open(config, Split::Test, "/nowhere", {});
    ASSERT_TRUE(train && test);
    EXPECT_EQ((*train)->size(), 50000);
    EXPECT_EQ((*test)->size(), 10000);
    EXPECT_EQ((*train)->side(), 32);
    EXPECT_NE((*train)->description().find("garden"), std::string::npos);
}

TEST(OpenDataset, LooksForCifarInTheDataFolderWhenNoPathIsGiven)
{
    ScratchFolder scratch;
    config::DataConfig config;
    config.source = config::DataSource::Cifar10;
    const auto missing = open(config, Split::Train, scratch.path(), {});
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code, ErrorCode::Io);
    EXPECT_NE(missing.error().message.find(scratch.path().string()), std::string::npos);
    scratch.write("cifar-10-batches-bin/test_batch.bin", std::string(3073, '\x01'));
    EXPECT_TRUE(open(config, Split::Test, scratch.path(), {}));
    config.path = scratch.path() / "elsewhere";
    EXPECT_FALSE(open(config, Split::Test, scratch.path(), {}));
}

TEST(OpenDataset, AsksForTheFolderOfImages)
{
    config::DataConfig config;
    config.source = config::DataSource::Folder;
    const auto opened = open(config, Split::Train, "/nowhere", {});
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, ErrorCode::Usage);
    EXPECT_NE(opened.error().message.find("data.path"), std::string::npos);
}
