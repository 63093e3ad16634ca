// SPDX-License-Identifier: Apache-2.0
// bench_augment draws DIR [--images 128]   prints what happens to each image of a folder, and a checksum of the pixels that come of it
// bench_augment run DIR [--workers 2] [--batch 64] [--epochs 3]
//                                          prints images per second: decoded, cut, augmented, normalised to floats, erased
// Both with the DeiT recipe: resized crops to 224, mirrored, rand-m9-mstd0.5-inc1, a quarter erased.
#include "core/base/files.h"
#include "core/base/json.h"
#include "core/data/augmentation.h"
#include "core/data/erasing.h"
#include "core/data/image_folder.h"
#include "core/data/loader.h"
#include "core/data/order.h"
#include "core/formats/image_resize.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

using namespace espalier;

constexpr int kSide = 224;
constexpr std::uint64_t kSeed = 1;
constexpr std::size_t kNumbers = std::size_t{3} * kSide * kSide;

[[noreturn]] void stop(const Error& error)
{
    std::fprintf(stderr, "bench_augment: %s %s\n", error.message.c_str(), error.detail.c_str());
    std::exit(1);
}

data::AugmentOptions deit()
{
    config::DataConfig config;
    config.augment.crop = config::RandomCrop::Resized;
    config.augment.operations = 2;
    config.augment.erase = 0.25;
    return data::augmentOptions(config);
}

std::shared_ptr<const data::Dataset> open(const std::string& folder)
{
    auto images = data::openImageFolder(folder, {data::Split::Train, kSide}, {});
    if (!images)
        stop(images.error());
    return *images;
}

/// Passes draws on and keeps what the operations are told.
class Recorder final : public data::Dice {
public:
    explicit Recorder(data::Dice& dice) : m_dice(dice) {}
    double uniform(double low, double high) override { return kept(m_dice.uniform(low, high)); }
    std::int64_t integer(std::int64_t low, std::int64_t high) override
    {
        const auto v = m_dice.integer(low, high);
        draws.push_back(v);
        return v;
    }
    double normal(double mean, double deviation) override { return kept(m_dice.normal(mean, deviation)); }
    Json draws = Json::array();

private:
    double kept(double v)
    {
        draws.push_back(v);
        return v;
    }
    data::Dice& m_dice;
};

/// What the other side needs to repeat position i of epoch 0 with image i: the part, whether it is mirrored, and the draws of RandAugment.
Json draws(const std::string& folder, std::int64_t count)
{
    const auto images = open(folder);
    const auto options = deit();
    data::Augmenter augmenter(options, kSeed);
    formats::ImageScratch scratch;
    Json rows = Json::array();
    std::vector<std::uint8_t> all;
    for (std::int64_t i = 0; i < std::min(count, images->size()); ++i) {
        std::int32_t label = 0;
        const auto original = images->original(i, label);
        if (!original)
            stop(original.error());
        data::PhiloxDice cropDice(kSeed, Stream::Crop, 0, i), operationDice(kSeed, Stream::RandAugment, 0, i);
        const auto box = data::randomResizedCrop(original->width, original->height, options.range, cropDice);
        Recorder recorder(operationDice);
        formats::Image nothing = formats::Image::ofSize(2, 2);
        data::randAugment(nothing, options.randAugment, recorder, scratch);
        rows.push_back({{"top_left_height_width", {box.top, box.left, box.height, box.width}},
                        {"flip", data::flips(kSeed, 0, i)},
                        {"draws", recorder.draws}});
        const auto at = all.size();
        all.resize(at + kNumbers);
        const auto hwc = std::span(all).subspan(at);
        augmenter.cut(*original, kSide, 0, i, hwc);
        augmenter.change(hwc, kSide, 0, i);
    }
    return {{"images", rows}, {"sha256", sha256(std::as_bytes(std::span(all)))}};
}

Json run(const std::string& folder, int workers, std::int64_t batchSize, int epochs)
{
    const auto images = open(folder);
    data::LoaderOptions options;
    options.seed = kSeed;
    options.augment = deit();
    options.workers = workers;
    options.prefetch = 4 * workers;
    auto loader = data::Loader::start(images, {batchSize, batchSize, 1, 0, 1}, {}, options);
    if (!loader)
        stop(loader.error());
    const std::int64_t steps = data::stepsPerEpoch(batchSize, images->size());
    std::vector<float> floats(static_cast<std::size_t>(batchSize) * kNumbers);
    std::vector<double> rates;
    double sum = 0;
    for (int epoch = 0; epoch <= epochs; ++epoch) {
        const auto began = std::chrono::steady_clock::now();
        for (std::int64_t step = 0; step < steps; ++step) {
            const auto next = (*loader)->next({});
            if (!next)
                stop(next.error());
            const data::HostBatch& batch = **next;
            for (std::size_t i = 0; i < static_cast<std::size_t>(batchSize); ++i) {
                const auto chw = std::span(floats).subspan(i * kNumbers, kNumbers);
                formats::normalise(batch.images.subspan(i * kNumbers, kNumbers), formats::kImageNetMean, formats::kImageNetDeviation, chw);
                if (batch.erased[i].width > 0)
                    data::erase(chw, kSide, batch.erased[i], kSeed, batch.cursor.epoch,
                                batch.cursor.position + batch.firstSlot + static_cast<std::int64_t>(i));
                sum += chw[0];
            }
        }
        const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
        if (epoch > 0)
            rates.push_back(static_cast<double>(steps * batchSize) / seconds);
    }
    auto sorted = rates;
    std::sort(sorted.begin(), sorted.end());
    const auto n = sorted.size();
    const double median = n % 2 ? sorted[n / 2] : 0.5 * (sorted[n / 2 - 1] + sorted[n / 2]);
    return {{"images_per_s", median}, {"epochs", rates}, {"images", images->size()}, {"workers", workers}, {"first_numbers", sum}};
}

} // namespace

int main(int argc, char** argv)
{
    const std::vector<std::string> words(argv + 1, argv + argc);
    if (words.size() < 2 || words.size() % 2 != 0 || (words[0] != "draws" && words[0] != "run")) {
        std::fputs("bench_augment draws DIR [--images N] | run DIR [--workers N] [--batch N] [--epochs N]\n", stderr);
        return 2;
    }
    std::int64_t workers = 2, batch = 64, epochs = 3, images = 128;
    for (std::size_t i = 2; i < words.size(); i += 2) {
        std::int64_t* const value = words[i] == "--workers"  ? &workers
                                    : words[i] == "--batch"  ? &batch
                                    : words[i] == "--epochs" ? &epochs
                                    : words[i] == "--images" ? &images
                                                             : nullptr;
        if (!value) {
            std::fprintf(stderr, "bench_augment: what is %s?\n", words[i].c_str());
            return 2;
        }
        *value = std::max<std::int64_t>(1, std::atoll(words[i + 1].c_str()));
    }
    const Json answer =
        words[0] == "draws" ? draws(words[1], images) : run(words[1], static_cast<int>(workers), batch, static_cast<int>(epochs));
    std::printf("%s\n", answer.dump().c_str());
    return 0;
}
