// SPDX-License-Identifier: Apache-2.0
#include "core/data/image_folder.h"

#include "core/base/files.h"
#include "core/base/json.h"
#include "core/data/folder_scan.h"
#include "core/data/loader.h"
#include "core/formats/image_decode.h"
#include "core/formats/png.h"
#include "tests/core/data/scratch_folder.h"
#include "tests/support/golden.h"

#include <gtest/gtest.h>

#include <sys/stat.h>

using namespace espalier;
using namespace espalier::data;
using espalier::tests::ScratchFolder;
namespace fs = std::filesystem;

namespace {

std::string png(int width, int height, std::uint8_t value)
{
    auto image = formats::Image::ofSize(width, height);
    std::fill(image.rgb.begin(), image.rgb.end(), value);
    return *formats::encodePng(image);
}

std::vector<std::string> filesOf(const FolderScan& scan)
{
    std::vector<std::string> files;
    for (std::int64_t i = 0; i < scan.files.size(); ++i)
        files.emplace_back(scan.files[i]);
    return files;
}

std::vector<std::string> scanned(const fs::path& root, Split split = Split::Train)
{
    const auto scan = scanFolder(root, split, {});
    EXPECT_TRUE(scan) << scan.error().message;
    return scan ? filesOf(*scan) : std::vector<std::string>{};
}

std::string refusalOf(const fs::path& root, Split split = Split::Train)
{
    const auto scan = scanFolder(root, split, {});
    EXPECT_FALSE(scan);
    return scan ? "" : scan.error().message;
}

using Names = std::vector<std::string>;

} // namespace

TEST(ImageFolderGolden, ListsClassesAndFilesInPublishedOrder)
{
    const auto formatsFolder = tests::goldenFolder() / "formats";
    ESPALIER_NEED_GOLDEN(formatsFolder / "datasets.json");
    const auto golden = Json::parse(*readFile(formatsFolder / "datasets.json")).at("image_folder");
    const auto root = formatsFolder / golden.at("root").get<std::string>();
    const auto scan = scanFolder(root, Split::Train, {});
    ASSERT_TRUE(scan) << scan.error().message;
    EXPECT_EQ(scan->classNames, golden.at("classes").get<Names>());
    const auto& samples = golden.at("samples_in_order");
    ASSERT_EQ(scan->files.size(), static_cast<std::int64_t>(samples.size()));
    for (std::size_t i = 0; i < samples.size(); ++i) {
        EXPECT_EQ((root / scan->files[static_cast<std::int64_t>(i)]), formatsFolder / samples[i].at("file").get<std::string>());
        EXPECT_EQ(scan->labels[i], samples[i].at("label").get<int>());
    }
    EXPECT_EQ(scan->skipped, 2); // notes.txt, no_extension
}

TEST(ImageFolderGolden, ReadsWhatCanBeReadAndRefusesTheRest)
{
    const auto formatsFolder = tests::goldenFolder() / "formats";
    ESPALIER_NEED_GOLDEN(formatsFolder / "datasets.json");
    const auto golden = Json::parse(*readFile(formatsFolder / "datasets.json")).at("image_folder");
    const auto dataset = openImageFolder(formatsFolder / golden.at("root").get<std::string>(), {Split::Train, 8}, {});
    ASSERT_TRUE(dataset);
    const auto& samples = golden.at("samples_in_order");
    for (std::size_t i = 0; i < samples.size(); ++i) {
        std::vector<std::uint8_t> hwc((*dataset)->imageBytes());
        std::int32_t label = -1;
        const auto read = (*dataset)->read(static_cast<std::int64_t>(i), hwc, label);
        const auto file = samples[i].at("file").get<std::string>();
        EXPECT_EQ(static_cast<bool>(read), !samples[i].contains("must_be_refused")) << file;
        if (!read) {
            EXPECT_EQ(read.error().code, ErrorCode::Format);
            EXPECT_NE(read.error().message.find(fs::path(file).filename().string()), std::string::npos) << read.error().message;
            continue;
        }
        // The steps are proven against Pillow and torchvision where they are written; here: that they are these.
        const auto whole = formats::decodeImageFile(formatsFolder / file);
        ASSERT_TRUE(whole);
        const auto square = formats::centreCrop(formats::resizeShorterSide(*whole, 8, formats::ResizeFilter::Bicubic), 8, 8);
        EXPECT_EQ(hwc, square.rgb) << file;
        EXPECT_EQ(label, samples[i].at("label").get<int>());
    }
}

TEST(ImageFolder, RecognisesTrainAndTestInTheirParent)
{
    for (const char* name : {"val", "test", "Validation", "valid"}) {
        ScratchFolder scratch;
        scratch.write("train/a/1.png", "x");
        scratch.write("train/b/2.png", "x");
        scratch.write(std::string(name) + "/b/3.png", "x");
        scratch.write("annotations/x.json", "x"); // published sets carry such things
        const auto train = scanFolder(scratch.path(), Split::Train, {});
        ASSERT_TRUE(train);
        EXPECT_EQ(train->classNames, (Names{"a", "b"}));
        EXPECT_EQ(filesOf(*train), (Names{"a/1.png", "b/2.png"}));
        const auto test = scanFolder(scratch.path(), Split::Test, {});
        ASSERT_TRUE(test) << test.error().message;
        EXPECT_EQ(filesOf(*test), (Names{"b/3.png"}));
        EXPECT_EQ(test->classNames, train->classNames);
        EXPECT_EQ(test->labels, std::vector<std::int32_t>{1}); // its place among the classes of train, not among its own
        EXPECT_EQ(scanned(scratch.path() / "train", Split::Test), (Names{"b/3.png"}));
        EXPECT_EQ(scanned(scratch.path() / "train" / ""), (Names{"a/1.png", "b/2.png"}));
    }
}

TEST(ImageFolder, TakesTrainForAClassOnlyAmongOtherClasses)
{
    ScratchFolder vehicles;
    vehicles.write("bus/1.png", "x");
    vehicles.write("train/1.png", "x");
    EXPECT_EQ(scanned(vehicles.path()), (Names{"bus/1.png", "train/1.png"}));
    ScratchFolder only;
    only.write("train/cat/1.png", "x");
    const auto scan = scanFolder(only.path(), Split::Train, {});
    ASSERT_TRUE(scan);
    EXPECT_EQ(scan->classNames, Names{"cat"});
    EXPECT_NE(refusalOf(only.path(), Split::Test).find("val or test"), std::string::npos);
    ScratchFolder noTrain;
    noTrain.write("val/cat/1.png", "x");
    EXPECT_NE(refusalOf(noTrain.path()).find("train"), std::string::npos);
}

TEST(ImageFolder, RefusesTestClassesThatTrainingDoesNotKnow)
{
    ScratchFolder scratch;
    scratch.write("train/a/1.png", "x");
    scratch.write("val/c/1.png", "x");
    EXPECT_NE(refusalOf(scratch.path(), Split::Test).find("\"c\""), std::string::npos);
}

TEST(ImageFolder, ReadsAFlatFolderWithoutLabels)
{
    ScratchFolder scratch;
    scratch.write("b.png", png(8, 8, 200));
    scratch.write("a.PNG", png(8, 8, 100));
    scratch.write("c.txt", "x");
    scratch.write(".thumbs/readme", "x");
    const auto dataset = openImageFolder(scratch.path(), {Split::Train, 8}, {});
    ASSERT_TRUE(dataset) << dataset.error().message;
    EXPECT_EQ((*dataset)->size(), 2);
    EXPECT_TRUE((*dataset)->classNames().empty());
    EXPECT_EQ((*dataset)->skippedFiles(), 1);
    std::vector<std::uint8_t> hwc((*dataset)->imageBytes());
    std::int32_t label = 7;
    ASSERT_TRUE((*dataset)->read(0, hwc, label));
    EXPECT_EQ(label, -1);
    EXPECT_EQ(hwc[0], 100);
}

TEST(ImageFolder, NamesEmptyClassFolders)
{
    ScratchFolder scratch;
    scratch.write("a/1.png", "x");
    scratch.write("empty/readme.txt", "x");
    EXPECT_NE(refusalOf(scratch.path()).find("\"empty\""), std::string::npos);
    fs::rename(scratch.path() / "empty", scratch.path() / ".git"); // hidden and without images: no class
    EXPECT_EQ(scanned(scratch.path()), Names{"a/1.png"});
}

TEST(ImageFolder, SaysWhatIsWrongWithTheFolder)
{
    ScratchFolder scratch;
    EXPECT_NE(refusalOf(scratch.path()).find(scratch.path().string()), std::string::npos);
    EXPECT_NE(refusalOf(scratch.path() / "nowhere").find("data.path"), std::string::npos);
    scratch.write("file.png", "x");
    EXPECT_NE(refusalOf(scratch.path() / "file.png").find("no folder"), std::string::npos);
    if (::geteuid() != 0) {
        scratch.write("locked/1.png", "x");
        fs::permissions(scratch.path() / "locked", fs::perms::none);
        EXPECT_NE(refusalOf(scratch.path()).find("locked"), std::string::npos);
        fs::permissions(scratch.path() / "locked", fs::perms::all);
    }
}

TEST(ImageFolder, IsNotFooledByLinksAndPipes)
{
    ScratchFolder scratch;
    scratch.write("a/1.png", "x");
    fs::create_directory_symlink("..", scratch.path() / "a" / "up");
    fs::create_directory_symlink(".", scratch.path() / "a" / "self");
    fs::create_symlink("nothing.png", scratch.path() / "a" / "dangling.png");
    ASSERT_EQ(::mkfifo((scratch.path() / "a" / "pipe.png").c_str(), 0600), 0);
    fs::create_symlink("1.png", scratch.path() / "a" / "linked.png"); // links to images are images
    const auto files = scanned(scratch.path());
    EXPECT_EQ(std::count(files.begin(), files.end(), "a/linked.png"), 1);
    EXPECT_EQ(std::count(files.begin(), files.end(), "a/1.png"), 1);
    EXPECT_LT(files.size(), 10u); // the loop ends
    for (const auto& file : files) {
        EXPECT_EQ(file.find("dangling"), std::string::npos);
        EXPECT_EQ(file.find("pipe"), std::string::npos);
    }
}

TEST(ImageFolder, BearsOddNames)
{
    ScratchFolder scratch;
    const std::string odd = "a\nb \"c\" \xFF\xFE %s {}.png";
    scratch.write("kl\xC3\xA4sse/" + odd, png(8, 8, 9));
    scratch.write("kl\xC3\xA4sse/z\x1B[31m.png", "broken");
    const auto dataset = openImageFolder(scratch.path(), {Split::Train, 8}, {});
    ASSERT_TRUE(dataset);
    std::vector<std::uint8_t> hwc((*dataset)->imageBytes());
    std::int32_t label = -1;
    EXPECT_TRUE((*dataset)->read(0, hwc, label));
    const auto broken = (*dataset)->read(1, hwc, label);
    ASSERT_FALSE(broken);
    for (const std::string& text : {(*dataset)->nameOf(0), broken.error().message})
        EXPECT_TRUE(std::none_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; })) << text;
}

TEST(ImageFolder, BearsImagesAsThinAsAThread)
{
    ScratchFolder scratch;
    scratch.write("1.png", png(100000, 1, 70));
    scratch.write("2.png", png(1, 100000, 80));
    const auto dataset = openImageFolder(scratch.path(), {Split::Train, 128}, {});
    ASSERT_TRUE(dataset);
    for (int i = 0; i < 2; ++i) {
        std::vector<std::uint8_t> hwc((*dataset)->imageBytes());
        std::int32_t label = -1;
        ASSERT_TRUE((*dataset)->read(i, hwc, label));
        EXPECT_EQ(hwc.front(), 70 + 10 * i);
        EXPECT_EQ(hwc.back(), 70 + 10 * i);
    }
}

TEST(ImageFolder, ScalesJpegOnlyWhenAsked)
{
    const auto file = tests::goldenFolder() / "formats" / "image_folder" / "apple" / "full_444.JPG"; // 40 × 24
    ESPALIER_NEED_GOLDEN(file);
    ScratchFolder scratch;
    fs::copy_file(file, scratch.path() / "a.jpg");
    ImageFolderOptions options{Split::Train, 8};
    const auto whole = openImageFolder(scratch.path(), options, {});
    options.scaledJpeg = true;
    const auto scaled = openImageFolder(scratch.path(), options, {});
    ASSERT_TRUE(whole && scaled);
    std::vector<std::uint8_t> a(8 * 8 * 3), b(8 * 8 * 3);
    std::int32_t label = -1;
    ASSERT_TRUE((*whole)->read(0, a, label));
    ASSERT_TRUE((*scaled)->read(0, b, label));
    EXPECT_NE(a, b);
    double difference = 0;
    for (std::size_t i = 0; i < a.size(); ++i)
        difference += std::abs(a[i] - b[i]);
    EXPECT_LT(difference / static_cast<double>(a.size()), 8); // the same picture
    EXPECT_NE((*whole)->fingerprint(), (*scaled)->fingerprint());
}

TEST(ImageFolder, TrainsOverABrokenImageAndNamesIt)
{
    ScratchFolder scratch;
    for (int i = 0; i < 150; ++i)
        scratch.write("c/" + std::to_string(i) + ".png", i == 33 ? png(8, 8, 1).substr(0, 40) : png(8, 8, static_cast<std::uint8_t>(i)));
    const auto dataset = openImageFolder(scratch.path(), {Split::Train, 8}, {});
    ASSERT_TRUE(dataset);
    std::vector<std::string> warnings;
    LoaderOptions options;
    options.workers = 1; // one thread writes to `warnings`, read after it has ended
    options.log = [&](LogLevel, std::string_view text) { warnings.emplace_back(text); };
    auto loader = Loader::start(*dataset, {150, 150, 1, 0, 1}, {}, options);
    ASSERT_TRUE(loader);
    ASSERT_TRUE((*loader)->next({}));
    EXPECT_EQ((*loader)->brokenImages(), 1);
    loader->reset();
    ASSERT_EQ(warnings.size(), 1u);
    EXPECT_NE(warnings[0].find("c/33.png"), std::string::npos) << warnings[0];
}
