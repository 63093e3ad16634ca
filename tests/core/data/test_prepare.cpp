// SPDX-License-Identifier: Apache-2.0
#include "core/data/prepare.h"

#include "core/base/files.h"
#include "core/data/image_folder.h"
#include "tests/core/data/scratch_folder.h"
#include "tests/support/golden.h"

#include <gtest/gtest.h>

#include <algorithm>

using namespace espalier;
using namespace espalier::data;
using espalier::tests::ScratchFolder;
namespace fs = std::filesystem;

namespace {

class Prepare : public testing::Test {
protected:
    void SetUp() override { ESPALIER_NEED_GOLDEN(mats()); }
    static fs::path mats() { return tests::goldenFolder() / "formats" / "mat"; }
    void put(const std::string& mat, const std::string& where)
    {
        const auto bytes = readFile(mats() / mat);
        ASSERT_TRUE(bytes);
        m_scratch.write("from/" + where, *bytes);
    }
    void flowers()
    {
        put("flowers/imagelabels.mat", "imagelabels.mat");
        put("flowers/setid.mat", "setid.mat");
        for (int i = 1; i <= 6; ++i)
            m_scratch.write("from/jpg/image_0000" + std::to_string(i) + ".jpg", "image " + std::to_string(i));
    }
    fs::path from() const { return m_scratch.path() / "from"; }
    fs::path to() const { return m_scratch.path() / "to"; }
    Result<Prepared> run(PublishedSet set, PrepareOptions options = {}, int stopAt = -1)
    {
        options.set = set;
        const auto listing = listPublished(set, from());
        if (!listing)
            return listing.error();
        return prepare(*listing, to(), options, [&](std::int64_t done, std::int64_t) { return done != stopAt; });
    }
    std::string refusal(PublishedSet set)
    {
        const auto done = run(set);
        return done ? "" : done.error().message;
    }
    /// Paths of all images below the target, sorted.
    std::vector<std::string> made() const
    {
        std::vector<std::string> files;
        for (const auto& entry : fs::recursive_directory_iterator(to()))
            if (entry.is_regular_file() && entry.path().extension() != ".json")
                files.push_back(entry.path().lexically_relative(to()).string());
        std::sort(files.begin(), files.end());
        return files;
    }
    std::string contentOf(const char* file) const { return readFile(to() / file).value(); }
    ScratchFolder m_scratch;
};

} // namespace

TEST_F(Prepare, SortsFlowersByTheirLabelsAndSplit)
{
    flowers();
    const auto done = run(PublishedSet::Flowers);
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_EQ(made(), (std::vector<std::string>{"train/001/image_00001.jpg", "train/001/image_00005.jpg", "train/102/image_00003.jpg",
                                                "val/001/image_00002.jpg", "val/102/image_00004.jpg", "val/102/image_00006.jpg"}));
    EXPECT_EQ(contentOf("val/102/image_00004.jpg"), "image 4");
    EXPECT_EQ(done->train, 3);
    EXPECT_EQ(done->test, 3);
    EXPECT_EQ(done->classes, 2);
    EXPECT_EQ(done->linked, 6);
    EXPECT_TRUE(fs::equivalent(from() / "jpg/image_00001.jpg", to() / "train/001/image_00001.jpg"));
    const auto train = openImageFolder(to(), {Split::Train}, {}), test = openImageFolder(to(), {Split::Test}, {});
    ASSERT_TRUE(train && test);
    EXPECT_EQ((*train)->size(), 3);
    EXPECT_EQ((*test)->size(), 3);
    EXPECT_EQ((*test)->classNames(), (std::vector<std::string>{"001", "102"}));
}

TEST_F(Prepare, PutsEverythingIntoTrainWhenAsked)
{
    flowers();
    const auto done = run(PublishedSet::Flowers, {.all = true, .copy = true});
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_EQ(done->train, 6);
    EXPECT_EQ(done->test, 0);
    EXPECT_EQ(done->copied, 6);
    EXPECT_FALSE(fs::exists(to() / "val"));
    EXPECT_FALSE(fs::equivalent(from() / "jpg/image_00001.jpg", to() / "train/001/image_00001.jpg"));
}

TEST_F(Prepare, GoesOnWhereItWasStopped)
{
    flowers();
    const auto stopped = run(PublishedSet::Flowers, {}, 2);
    ASSERT_FALSE(stopped);
    EXPECT_EQ(stopped.error().code, ErrorCode::Cancelled);
    EXPECT_EQ(made().size(), 2u);
    fs::remove(from() / "jpg/image_00006.jpg");
    const auto lacking = run(PublishedSet::Flowers);
    ASSERT_TRUE(lacking);
    EXPECT_EQ(lacking->kept, 2);
    EXPECT_EQ(lacking->linked, 3);
    EXPECT_EQ(lacking->missing, std::vector<std::string>{"jpg/image_00006.jpg"});
    m_scratch.write("from/jpg/image_00006.jpg", "image 6");
    const auto whole = run(PublishedSet::Flowers);
    ASSERT_TRUE(whole);
    EXPECT_EQ(whole->kept, 5);
    EXPECT_EQ(whole->linked, 1);
    EXPECT_TRUE(whole->missing.empty());
}

TEST_F(Prepare, LeavesFoldersOfOthersAlone)
{
    flowers();
    m_scratch.write("to/mine.txt", "mine");
    EXPECT_NE(refusal(PublishedSet::Flowers).find("not made by this command"), std::string::npos);
    EXPECT_EQ(contentOf("mine.txt"), "mine");
    fs::remove_all(to());
    ASSERT_TRUE(run(PublishedSet::Flowers));
    const auto other = run(PublishedSet::Flowers, {.all = true});
    ASSERT_FALSE(other);
    EXPECT_NE(other.error().message.find("another set or split"), std::string::npos);
}

TEST_F(Prepare, SortsCarsInBothLayouts)
{
    for (const char* mat : {"cars_meta.mat", "cars_train_annos.mat"})
        put(std::string("cars/") + mat, std::string("devkit/") + mat);
    m_scratch.write("from/cars_train/00001.jpg", "a");
    m_scratch.write("from/cars_train/00002.jpg", "b");
    const auto alone = listPublished(PublishedSet::Cars, from());
    ASSERT_TRUE(alone) << alone.error().message;
    EXPECT_NE(alone->note, "");
    put("cars/cars_test_annos_withlabels.mat", "cars_test_annos_withlabels.mat");
    m_scratch.write("from/cars_test/00001.jpg", "c");
    m_scratch.write("from/cars_test/00002.jpg", "d");
    ASSERT_TRUE(run(PublishedSet::Cars));
    EXPECT_EQ(made(),
              (std::vector<std::string>{"train/AM General Hummer SUV 2000/00001.jpg", "train/Ram C-V Cargo Van Minivan 2012/00002.jpg",
                                        "val/Citroën ü𝄞/00002.jpg", "val/Ram C-V Cargo Van Minivan 2012/00001.jpg"}));
    EXPECT_EQ(contentOf("val/Ram C-V Cargo Van Minivan 2012/00001.jpg"), "c");
    fs::remove_all(to());
    put("cars/cars_annos.mat", "cars_annos.mat");
    m_scratch.write("from/car_ims/000001.jpg", "e");
    m_scratch.write("from/car_ims/000002.jpg", "f");
    ASSERT_TRUE(run(PublishedSet::Cars));
    EXPECT_EQ(made(),
              (std::vector<std::string>{"train/AM General Hummer SUV 2000/000001.jpg", "val/Ram C-V Cargo Van Minivan 2012/000002.jpg"}));
}

TEST_F(Prepare, NeverFollowsAListOutOfItsFolder)
{
    m_scratch.write("secret.jpg", "secret");
    put("cars/outside.mat", "cars_annos.mat");
    EXPECT_NE(refusal(PublishedSet::Cars).find("\"../secret.jpg\", which is no file below it"), std::string::npos);
    EXPECT_FALSE(fs::exists(to()));
}

TEST_F(Prepare, SortsBirds)
{
    const auto write = [&](const std::string& images) {
        m_scratch.write("from/CUB_200_2011/images.txt", images);
        m_scratch.write("from/CUB_200_2011/image_class_labels.txt", "1 1\n2 1\n3 2\n");
        m_scratch.write("from/CUB_200_2011/classes.txt", "1 001.Albatross\r\n2 002.Wren\r\n");
        m_scratch.write("from/CUB_200_2011/train_test_split.txt", "1 0\n2 1\n3 1\n");
    };
    write("1 001.Albatross/a.jpg\n2 001.Albatross/b.jpg\n3 002.Wren/c.jpg\n");
    for (const char* image : {"001.Albatross/a.jpg", "001.Albatross/b.jpg", "002.Wren/c.jpg"})
        m_scratch.write(std::string("from/CUB_200_2011/images/") + image, "x");
    const auto done = run(PublishedSet::Cub);
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_EQ(made(), (std::vector<std::string>{"train/001.Albatross/b.jpg", "train/002.Wren/c.jpg", "val/001.Albatross/a.jpg"}));
    for (const char* bad : {"1 ../../../etc/passwd\n", "1 a.jpg\n2 a.jpg\n", "one a.jpg\n", "1\n", "", "1 a.jpg\n1 b.jpg\n", "4 a.jpg\n"}) {
        write(bad);
        EXPECT_NE(refusal(PublishedSet::Cub), "") << bad;
    }
}

TEST_F(Prepare, SortsArtAsFoldersOrBatches)
{
    m_scratch.write("from/artbench-10-imagefolder/baroque/a.jpg", "a");
    m_scratch.write("from/artbench-10-imagefolder/realism/b, c.jpg", "b");
    m_scratch.write("from/ArtBench-10.csv", "name,artist,url,is_public_domain,length,width,label,split,cifar_index\n"
                                            "a.jpg,someone,\"http://x/\"\"y\"\"\",True,9,9,baroque,test,0\n"
                                            "\"b, c.jpg\",,,False,9,9,realism,train,0\n");
    ASSERT_TRUE(run(PublishedSet::ArtBench));
    EXPECT_EQ(made(), (std::vector<std::string>{"train/realism/b, c.jpg", "val/baroque/a.jpg"}));
    fs::remove_all(to());
    m_scratch.write("from/artbench-10-imagefolder-split/train/baroque/a.jpg", "a");
    m_scratch.write("from/artbench-10-imagefolder-split/train/baroque/notes.txt", "none");
    m_scratch.write("from/artbench-10-imagefolder-split/test/baroque/a.jpg", "b");
    ASSERT_TRUE(run(PublishedSet::ArtBench, {.all = true}));
    EXPECT_EQ(made(), (std::vector<std::string>{"train/baroque/2-a.jpg", "train/baroque/a.jpg"}));
    fs::remove_all(to());
    fs::remove_all(from());
    std::string row(3073, '\x20');
    for (const char* batch : {"data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"}) {
        row[0] = batch[0] == 't' ? '\x09' : '\x01';
        m_scratch.write(std::string("from/artbench-10-binary/artbench-10-batches-bin/") + batch + ".bin", row);
    }
    const auto done = run(PublishedSet::ArtBench);
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_EQ(done->train, 5);
    EXPECT_TRUE(fs::exists(to() / "val/ukiyo_e/test_batch_00000.png"));
    const auto train = openImageFolder(to(), {Split::Train}, {});
    ASSERT_TRUE(train);
    std::vector<std::uint8_t> hwc(32 * 32 * 3);
    std::int32_t label = -1;
    ASSERT_TRUE((*train)->read(4, hwc, label));
    EXPECT_EQ(hwc[100], 0x20);
    EXPECT_EQ(run(PublishedSet::ArtBench)->kept, 6);
}

TEST_F(Prepare, SaysWhatIsNotThere)
{
    EXPECT_NE(refusal(PublishedSet::Flowers).find("There is no folder"), std::string::npos);
    fs::create_directories(from());
    EXPECT_NE(refusal(PublishedSet::Flowers).find("There is no \"imagelabels.mat\""), std::string::npos);
    EXPECT_NE(refusal(PublishedSet::Cub).find("There is no \"images.txt\""), std::string::npos);
    EXPECT_NE(refusal(PublishedSet::Cars).find("There is no \"cars_meta.mat\""), std::string::npos);
    EXPECT_NE(refusal(PublishedSet::ArtBench).find("There is no ArtBench-10"), std::string::npos);
    m_scratch.write("from/imagelabels.mat", "broken");
    m_scratch.write("from/setid.mat", "broken");
    EXPECT_NE(refusal(PublishedSet::Flowers).find("could not be read as a MATLAB file"), std::string::npos);
}

TEST(FolderNames, AreFitForEverySystem)
{
    EXPECT_EQ(folderName("Ram C/V: \"Cargo\"\n"), "Ram C-V- -Cargo--");
    EXPECT_EQ(folderName("../.."), "-");
    EXPECT_EQ(folderName(". hidden. "), "hidden");
    EXPECT_EQ(folderName(""), "class");
    EXPECT_EQ(folderName("..."), "class");
    EXPECT_EQ(folderName("a\xff"), "a-");
    EXPECT_LE(folderName(std::string(500, 'x')).size(), 120u);
}
