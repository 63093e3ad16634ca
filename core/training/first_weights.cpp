// SPDX-License-Identifier: Apache-2.0
#include "core/training/first_weights.h"

#include "core/config/config.h"
#include "core/plan/chain.h"
#include "core/plan/growth_map.h"
#include "core/runs/retention.h"
#include "core/runs/run_folder.h"
#include "core/shapes/parameters.h"
#include "core/shapes/recognise.h"
#include "core/tensors/weights_source.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <string_view>

namespace espalier::training {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kMostNamed = 5;

bool isClassTable(const std::string& name)
{
    return name == "y_embedder.embedding_table.weight" || name == "label_embed.weight";
}

bool isStageTable(const std::string& name)
{
    return name == "s_embedder.embedding_table.weight";
}

bool isHead(const std::string& name)
{
    return name == "head.weight" || name == "head.bias";
}

/// The side of a square of that many tokens; 0 when they are no square.
std::int64_t gridOf(std::int64_t tokens)
{
    const auto grid = static_cast<std::int64_t>(std::llround(std::sqrt(static_cast<double>(std::max<std::int64_t>(tokens, 0)))));
    return grid * grid == tokens ? grid : 0;
}

std::string shapeText(at::IntArrayRef shape)
{
    return c10::str(shape);
}

/// Weights and what could be told of the network that they belong to.
struct Source {
    tensors::WeightsSource weights;
    std::string model;
    std::optional<config::ModelConfig> network;
    std::int64_t step = -1;

    /// Whether its table of classes ends in a row for any class: published tables do.
    bool hasAnyRow() const
    {
        return !network || std::holds_alternative<config::UNetConfig>(*network) || config::classesOf(*network) == 0 ||
               config::classDropoutOf(*network) > 0.0;
    }
};

/// The configuration that weights carry: of their manifest, or of a file that was exported here.
std::optional<config::RunConfig> configIn(const tensors::WeightsSource& weights)
{
    const auto asRun = [](const Json& json) -> std::optional<config::RunConfig> {
        auto read = config::read(json);
        return read ? std::optional(*read) : std::nullopt;
    };
    if (weights.manifest())
        return weights.manifest()->about.contains("config") ? asRun(weights.manifest()->about["config"]) : std::nullopt;
    const auto found = weights.metadata().find("espalier.config");
    if (found == weights.metadata().end())
        return std::nullopt;
    const auto json = config::parseText(found->second, "espalier.config");
    return json ? asRun(*json) : std::nullopt;
}

Result<Source> openSource(const config::InitConfig& init)
{
    fs::path path = init.from;
    std::error_code ignored;
    if (!fs::exists(path, ignored))
        return Error{ErrorCode::Usage, fmt::format("init.from: there is no run, checkpoint or file {}.", init.from), "init.from"};
    if (runs::isRunFolder(path)) {
        const auto stored = runs::storedCheckpoints(runs::RunFolder(path));
        if (stored.empty())
            return Error{ErrorCode::Usage, fmt::format("init.from: the run {} has no checkpoint yet.", init.from), "init.from"};
        path = runs::RunFolder(path).checkpointFolder(stored.back().step);
    }
    auto opened = tensors::WeightsSource::open(path, init.weights);
    if (!opened)
        return Error{opened.error().code, "init.from: " + opened.error().message, opened.error().detail};
    Source source{*std::move(opened), {}, {}, -1};
    if (source.weights.manifest())
        source.step = source.weights.manifest()->counters.step;
    if (const auto own = configIn(source.weights)) {
        source.network = own->model;
        source.model = shapes::describe(shapes::shapeOf(*own));
        return source;
    }
    std::vector<shapes::NamedShape> names;
    for (const auto& [name, entry] : source.weights.entries())
        names.push_back({name, entry.shape});
    if (const auto known = shapes::recognise(names)) {
        source.network = known->shape.model;
        source.model = shapes::describe(known->shape);
    }
    return source;
}

/// Decides for each parameter where its values come from, before any is touched.
class Fitting {
public:
    Fitting(const config::RunConfig& config, Source source, const config::RunConfig& whole)
        : m_config(config), m_source(std::move(source)), m_unet(std::holds_alternative<config::UNetConfig>(config.model))
    {
        const auto larger = shapes::parameterTable(shapes::shapeOf(whole));
        if (larger.size() <= shapes::parameterTable(shapes::shapeOf(config)).size())
            return;
        for (const auto& parameter : larger)
            m_later[parameter.name] = parameter.shape;
        chooseBlocks();
    }

    Result<Origin> into(tensors::TrainState& state)
    {
        for (const auto& slot : state.slots)
            if (auto decided = decide(slot); !decided)
                return decided.error();
        for (const auto& [name, entry] : m_source.weights.entries())
            if (!m_named.contains(name) && m_later.contains(name))
                ++m_unused;
            else if (!m_named.contains(name))
                leave(name, "belongs to no part of this model");
        if (auto fits = refuse(); !fits)
            return fits.error();
        const at::NoGradGuard noGrad;
        for (const auto& [entry, to] : m_whole)
            if (auto done = m_source.weights.readInto(*entry, to); !done)
                return Error{done.error().code, "init.from: " + done.error().message, done.error().detail};
        for (auto& [to, value] : m_made)
            to.detach().copy_(value);
        return origin();
    }

private:
    /// Which blocks of a deeper file this one has.
    void chooseBlocks()
    {
        if (m_unet)
            return;
        std::int64_t there = 0;
        for (const auto& [name, entry] : m_source.weights.entries())
            if (const auto block = blockOf(name))
                there = std::max(there, *block + 1);
        const auto here = plan::depthOf(m_config.model);
        if (there <= here)
            return;
        const auto kept = plan::keptBlocks(here, here, there);
        for (std::int64_t block = 0; block < there; ++block)
            if (kept[static_cast<std::size_t>(block)])
                m_blocks.push_back(block);
        m_changes.push_back(fmt::format("blocks are blocks {} of the {} there", fmt::join(m_blocks, ", "), there));
    }

    static std::optional<std::int64_t> blockOf(const std::string& name)
    {
        if (!name.starts_with(kBlocks))
            return std::nullopt;
        std::int64_t block = 0;
        const auto* begin = name.data() + kBlocks.size();
        const auto read = std::from_chars(begin, name.data() + name.size(), block);
        return read.ec == std::errc() && block >= 0 && block < 4096 ? std::optional(block) : std::nullopt;
    }

    /// What a parameter is called in the file.
    std::string nameThere(const std::string& name) const
    {
        const auto block = m_blocks.empty() ? std::nullopt : blockOf(name);
        if (!block)
            return name;
        return fmt::format("{}{}{}", kBlocks, m_blocks.at(static_cast<std::size_t>(*block)), name.substr(name.find('.', kBlocks.size())));
    }

    Result<Done> decide(const tensors::Slot& slot)
    {
        const auto name = nameThere(slot.name);
        m_named.insert(name);
        const bool ofClasses = isClassTable(name) || isHead(name);
        if (ofClasses && config::labelsOf(m_config.model) == config::Labels::Fresh) {
            m_changes.push_back(fmt::format("{} begins anew, because model.labels is fresh", name));
            return Done{};
        }
        const auto* entry = m_source.weights.find(name);
        if (!entry && isStageTable(name)) { // a network begins to grow from weights that were never told a stage
            m_changes.push_back(fmt::format("{} begins anew, because there is none", name));
            return Done{};
        }
        const auto later = m_later.find(name);
        const bool laterFits = entry && later != m_later.end() && later->second == entry->shape;
        if (m_unet && !m_later.empty() && (!entry || (laterFits && at::IntArrayRef(entry->shape) != slot.value.sizes()))) {
            m_changes.push_back(
                fmt::format("{} begins anew, because {}", name, entry ? "the whole network's is of another size" : "there is none"));
            m_unused += entry ? 1 : 0;
            return Done{};
        }
        if (!entry)
            return leave(name, "is missing");
        const auto type = tensors::scalarTypeOf(entry->dtype);
        if (!type || !at::isFloatingType(*type))
            return leave(name, fmt::format("holds {}, but floating-point numbers are needed", formats::nameOf(entry->dtype)));
        if (isClassTable(name))
            return decideClasses(slot, *entry);
        if (at::IntArrayRef(entry->shape) == slot.value.sizes()) {
            m_whole.emplace_back(entry, slot.value);
            return Done{};
        }
        if (name == "pos_embed" && fitsWidth(*entry, slot))
            return decidePositions(slot, *entry);
        return leave(name, fmt::format("has shape {}, but {} is needed", shapeText(entry->shape), shapeText(slot.value.sizes())));
    }

    static bool fitsWidth(const formats::WeightsEntry& entry, const tensors::Slot& slot)
    {
        const auto prefix = slot.value.requires_grad() ? 1 : 0; // the class token of a ViT
        return entry.shape.size() == 3 && entry.shape[0] == 1 && entry.shape[2] == slot.value.size(2) &&
               gridOf(entry.shape[1] - prefix) > 0 && gridOf(slot.value.size(1) - prefix) > 0;
    }

    Result<Done> decidePositions(const tensors::Slot& slot, const formats::WeightsEntry& entry)
    {
        if (!slot.value.requires_grad()) { // sines and cosines, at the raw places of any grid
            const auto there = gridOf(entry.shape[1]), here = gridOf(slot.value.size(1));
            m_changes.push_back(fmt::format("pos_embed is computed for {}x{} tokens ({}x{} there)", here, here, there, there));
            return Done{};
        }
        const auto there = gridOf(entry.shape[1] - 1), here = gridOf(slot.value.size(1) - 1);
        const auto table = m_source.weights.read(entry);
        if (!table)
            return Error{table.error().code, "init.from: " + table.error().message, table.error().detail};
        m_made.emplace_back(slot.value, resizedPositions(*table, here));
        m_changes.push_back(fmt::format("pos_embed was interpolated from {}x{} to {}x{} tokens", there, there, here, here));
        return Done{};
    }

    /// Rows of the first classes, and behind them that of any class, where both tables have one.
    Result<Done> decideClasses(const tensors::Slot& slot, const formats::WeightsEntry& entry)
    {
        const auto classes = config::classesOf(m_config.model), rows = slot.value.size(0);
        if (entry.shape.size() != 2 || entry.shape[1] != slot.value.size(1))
            return leave(slot.name, fmt::format("has shape {}, but {} is needed", shapeText(entry.shape), shapeText(slot.value.sizes())));
        const bool anyThere = m_source.hasAnyRow(), anyHere = rows == classes + 1;
        const auto classesThere = entry.shape[0] - (anyThere ? 1 : 0);
        if (entry.shape[0] == rows && classesThere == classes) {
            m_whole.emplace_back(&entry, slot.value);
            return Done{};
        }
        if (classesThere < classes || (anyHere && !anyThere && classes == 0)) {
            m_suggestLabels = true;
            return leave(slot.name, fmt::format("knows {} classes, and {} are wanted", classesThere, classes));
        }
        const auto table = m_source.weights.read(entry);
        if (!table)
            return Error{table.error().code, "init.from: " + table.error().message, table.error().detail};
        auto made = slot.value.detach().to(at::kCPU, table->scalar_type()).clone();
        made.narrow(0, 0, classes).copy_(table->narrow(0, 0, classes));
        if (anyHere && anyThere)
            made[classes].copy_((*table)[classesThere]);
        m_made.emplace_back(slot.value, made);
        m_changes.push_back(fmt::format("{} keeps the rows of {} of {} classes{}", slot.name, classes, classesThere,
                                        !anyHere   ? ""
                                        : anyThere ? " and that of any class"
                                                   : "; the row of any class begins anew"));
        return Done{};
    }

    Done leave(const std::string& name, const std::string& why)
    {
        if (isHead(name) || isClassTable(name))
            m_suggestLabels = true;
        if (isClassTable(name) && !m_named.contains(name) && config::labelsOf(m_config.model) == config::Labels::Fresh)
            m_changes.push_back(fmt::format("{} is left out, because model.labels is fresh", name));
        else
            m_misfits.push_back(name + " " + why);
        return Done{};
    }

    Result<Done> refuse()
    {
        const auto first = [&] {
            const auto n = std::min(m_misfits.size(), kMostNamed);
            const std::vector<std::string> named(m_misfits.begin(), m_misfits.begin() + static_cast<std::ptrdiff_t>(n));
            return fmt::format("{}{}", fmt::join(named, "; "),
                               n < m_misfits.size() ? fmt::format("; and {} more", m_misfits.size() - n) : "");
        };
        const auto wanted = shapes::describe(shapes::shapeOf(m_config));
        const auto what = m_source.model.empty() ? m_source.weights.path().string()
                                                 : fmt::format("{} ({})", m_source.weights.path().string(), m_source.model);
        if (m_whole.empty())
            return Error{ErrorCode::Usage, fmt::format("init.from: {} holds no weights for the {} of this run: {}.", what, wanted, first()),
                         "init.from"};
        if (m_misfits.empty() || m_config.init.misfits == config::Misfits::Skip) {
            for (auto& misfit : m_misfits)
                m_changes.push_back("skipped: " + misfit);
            return Done{};
        }
        std::string all;
        for (const auto& misfit : m_misfits)
            all += misfit + "\n";
        return Error{ErrorCode::Usage,
                     fmt::format("init.from: {} does not fit the {} of this run: {}. {}", what, wanted, first(),
                                 m_suggestLabels ? "Set model.labels to fresh for classes of its own; init.misfits=skip begins anew "
                                                   "wherever something does not fit."
                                                 : "Change the model, or set init.misfits to skip to begin anew there."),
                     all};
    }

    Result<Origin> origin()
    {
        auto hash = m_source.weights.sha256();
        if (!hash)
            return hash.error();
        return Origin{m_source.weights.path().string(),
                      m_config.init.weights,
                      *hash,
                      m_source.step,
                      m_source.model,
                      std::move(m_changes),
                      static_cast<std::int64_t>(m_source.weights.entries().size()),
                      m_unused};
    }

    static constexpr std::string_view kBlocks = "blocks.";
    const config::RunConfig& m_config;
    Source m_source;
    const bool m_unet;
    std::map<std::string, std::vector<std::int64_t>> m_later; // parameters of the whole network; empty: this is it
    std::vector<std::int64_t> m_blocks;                       // of a deeper file, which is which block here; empty: by name
    std::int64_t m_unused = 0;
    std::set<std::string> m_named;
    std::vector<std::pair<const formats::WeightsEntry*, at::Tensor>> m_whole;
    std::vector<std::pair<at::Tensor, at::Tensor>> m_made; // to, value
    std::vector<std::string> m_misfits, m_changes;
    bool m_suggestLabels = false;
};

} // namespace

Json Origin::toJson() const
{
    return {{"path", path}, {"weights", weights}, {"sha256", sha256}, {"step", step}, {"model", model}, {"changes", changes}};
}

Result<Origin> loadFirstWeights(const config::RunConfig& config, tensors::TrainState& state, const config::RunConfig& whole)
{
    auto source = openSource(config.init);
    if (!source)
        return source.error();
    return Fitting(config, *std::move(source), whole).into(state);
}

at::Tensor resizedPositions(const at::Tensor& table, std::int64_t grid)
{
    const auto there = gridOf(table.size(1) - 1), width = table.size(2);
    const auto positions = table.to(at::kFloat);
    const auto picture = positions.narrow(1, 1, there * there).reshape({1, there, there, width}).permute({0, 3, 1, 2});
    const auto resized = at::upsample_bicubic2d(picture, {grid, grid}, /*align_corners=*/false);
    return at::cat({positions.narrow(1, 0, 1), resized.permute({0, 2, 3, 1}).reshape({1, grid * grid, width})}, 1);
}

} // namespace espalier::training
