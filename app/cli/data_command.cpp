// SPDX-License-Identifier: Apache-2.0
#include "app/cli/command.h"
#include "app/cli/signals.h"
#include "core/base/text.h"
#include "core/data/prepare.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <memory>

namespace espalier::cli {

namespace {

constexpr std::size_t kNamed = 10; // missing files that the text names; --json has all

struct DataOptions {
    std::string set, from, to, split = "published";
    bool copy = false;
};

std::string summaryOf(const data::Prepared& done, const data::SetListing& listing, const DataOptions& options)
{
    auto text = fmt::format("{}: {} training and {} test images in {} classes in {} ({} linked, {} copied, {} there already)\n",
                            options.set, groupedNumber(done.train), groupedNumber(done.test), done.classes, options.to,
                            groupedNumber(done.linked), groupedNumber(done.copied), groupedNumber(done.kept));
    if (options.split == "all")
        text += "Every image is in train/, as --split all asks.\n";
    else if (!listing.note.empty())
        text += listing.note + "\n";
    for (std::size_t i = 0; i < std::min(done.missing.size(), kNamed); ++i)
        text += fmt::format("missing: {}\n", done.missing[i]);
    if (done.missing.size() > kNamed)
        text += fmt::format("missing: {} more\n", done.missing.size() - kNamed);
    if (done.missing.empty())
        text += fmt::format("Train on it with --set data.source=folder --set data.path={}\n", options.to);
    return text;
}

int prepareData(const DataOptions& options, Console& console)
{
    const auto set = data::publishedSetNamed(options.set);
    if (!set)
        return console.fail({ErrorCode::Usage, fmt::format("There is no set {}. Known: flowers, cub, cars, artbench.", options.set), {}});
    Signals signals;
    const auto listing = data::listPublished(*set, options.from);
    if (!listing)
        return console.fail(listing.error());
    const auto done =
        data::prepare(*listing, options.to, {*set, options.split == "all", options.copy}, [&](std::int64_t at, std::int64_t of) {
            signals.take();
            if (at % 100 == 0)
                console.progress(fmt::format("{}: {} of {} images", options.set, groupedNumber(at), groupedNumber(of)));
            return signals.asked() == 0;
        });
    if (!done)
        return console.fail(done.error());
    console.result({{"set", options.set},
                    {"split", options.split},
                    {"to", options.to},
                    {"images", {{"train", done->train}, {"val", done->test}}},
                    {"classes", done->classes},
                    {"linked", done->linked},
                    {"copied", done->copied},
                    {"kept", done->kept},
                    {"missing", done->missing},
                    {"note", listing->note}},
                   summaryOf(*done, *listing, options));
    if (done->missing.empty())
        return 0;
    console.note(fmt::format("{} of {} images are not there; the same command adds them when they are.", done->missing.size(),
                             listing->images.size()));
    return 1;
}

} // namespace

void addData(CLI::App& app, Program& program)
{
    auto options = std::make_shared<DataOptions>();
    auto* data = app.add_subcommand("data", "Bring sets of images into the folders that training reads");
    data->require_subcommand(1);
    auto* command = addCommand(*data, program, "prepare", "Sort a published set into train/CLASS/ and val/CLASS/",
                               [options, &program] { return prepareData(*options, program.console); });
    command
        ->add_option("set", options->set,
                     "flowers (Oxford Flowers 102), cub (CUB-200-2011), cars (Stanford Cars) or artbench (ArtBench-10)")
        ->required()
        ->check(CLI::IsMember({"flowers", "cub", "cars", "artbench"}));
    command->add_option("--from", options->from, "Folder into which the authors' files were unpacked")->required();
    command->add_option("--to", options->to, "Folder to make")->required();
    command->add_option("--split", options->split, "published: training and test images apart; all: every image into train/ (published)")
        ->check(CLI::IsMember({"published", "all"}));
    command->add_flag("--copy", options->copy, "Copy files where hard links would do");
}

} // namespace espalier::cli
