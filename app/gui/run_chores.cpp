// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/run_chores.h"

#include "core/runs/lock.h"
#include "core/runs/run_folder.h"

#include <QFile>
#include <QString>

#include <algorithm>
#include <fstream>

namespace espalier::gui {

namespace fs = std::filesystem;

namespace {

Result<Done> mayMove(const fs::path& folder)
{
    if (runs::isLocked(runs::RunFolder(folder)))
        return Error{ErrorCode::Busy, "This run is in use by " + runs::lockHolder(runs::RunFolder(folder)) + ". Stop it first.",
                     folder.string()};
    return Done{};
}

std::size_t writeEvaluations(std::ostream& out, const runs::RunFollower& run)
{
    out << "step,metric,value,spread,floor,ceiling,recipe\n";
    const auto optional = [&](const std::optional<double>& v) {
        if (v)
            out << *v;
        out << ',';
    };
    for (const auto& [e, time] : run.evaluations()) {
        out << e.step << ',' << e.metric << ',' << e.value << ',';
        optional(e.spread);
        optional(e.floor);
        optional(e.ceiling);
        std::string recipe = e.recipe.is_object() && e.recipe.contains("name") && e.recipe["name"].is_string()
                                 ? e.recipe["name"].get<std::string>()
                                 : e.weights;
        std::replace(recipe.begin(), recipe.end(), '"', '\'');
        out << '"' << recipe << "\"\n";
    }
    return run.evaluations().size();
}

std::size_t writePoints(std::ostream& out, const std::string& before, const runs::Pyramid* curve)
{
    std::size_t row = 0;
    for (; curve != nullptr && row < curve->size(); ++row) {
        const auto point = curve->point(row);
        out << before << point.step << ',' << point.time << ',' << point.value << '\n';
    }
    return row;
}

/// Of a run whose stages stand side by side with a column that says whose a point is; the run's own have nothing there.
std::size_t writeCurve(std::ostream& out, const runs::RunFollower& run, const std::string& tag)
{
    const bool beside = !run.branches().empty();
    out << (beside ? "branch,step,wall_time,value\n" : "step,wall_time,value\n");
    std::size_t rows = writePoints(out, beside ? "," : "", run.curve(tag));
    for (const auto& [name, branch] : run.branches())
        rows += writePoints(out, name + ',', branch.curve(tag));
    return rows;
}

std::size_t writeCurves(std::ostream& out, const runs::RunFollower& run, std::string_view tags)
{
    out << "curve,step,wall_time,value\n";
    std::size_t rows = 0;
    while (!tags.empty()) {
        const std::string tag(tags.substr(0, tags.find(',')));
        tags.remove_prefix(std::min(tags.size(), tag.size() + 1));
        rows += writePoints(out, tag + ',', run.curve(tag));
    }
    return rows;
}

} // namespace

Result<fs::path> renameRun(const fs::path& folder, const std::string& name)
{
    if (const auto may = mayMove(folder); !may)
        return may.error();
    const auto target = folder.parent_path() / runs::safeName(name);
    std::error_code error;
    if (target == folder)
        return target;
    if (fs::exists(target, error))
        return Error{ErrorCode::Usage, "There is a run called “" + target.filename().string() + "” already. Choose another name.", {}};
    fs::rename(folder, target, error);
    if (error)
        return Error{ErrorCode::Io, "Could not rename the run: " + error.message() + ".", folder.string()};
    return target;
}

Result<fs::path> archiveRun(const fs::path& folder)
{
    if (const auto may = mayMove(folder); !may)
        return may.error();
    const auto target = folder.parent_path() / "archive" / folder.filename();
    std::error_code error;
    fs::create_directories(target.parent_path(), error);
    if (fs::exists(target, error))
        return Error{ErrorCode::Usage, "The archive holds a run of this name already. Rename this one first.", {}};
    fs::rename(folder, target, error);
    if (error)
        return Error{ErrorCode::Io, "Could not move the run into the archive: " + error.message() + ".", folder.string()};
    return target;
}

Result<Done> trashRun(const fs::path& folder)
{
    if (const auto may = mayMove(folder); !may)
        return may.error();
    if (!QFile::moveToTrash(QString::fromStdString(folder.string())))
        return Error{
            ErrorCode::Io, "Could not move the run to the trash: this disk has none. Delete the folder by hand: " + folder.string(), {}};
    return Done{};
}

Result<std::size_t> writeCsv(const runs::RunFollower& run, const std::string& tag, const fs::path& file)
{
    const auto beside = fs::path(file.string() + ".part");
    std::ofstream out(beside, std::ios::trunc);
    out.precision(17);
    std::size_t rows = 0;
    if (tag == "evaluations")
        rows = writeEvaluations(out, run);
    else if (tag.find(',') != tag.npos)
        rows = writeCurves(out, run, tag);
    else
        rows = writeCurve(out, run, tag);
    out.close();
    std::error_code error;
    if (out)
        fs::rename(beside, file, error);
    if (!out || error) {
        fs::remove(beside, error);
        return Error{ErrorCode::Io, "Could not write " + file.string() + ": is the disk full, or the folder not yours to write to?", {}};
    }
    return rows;
}

} // namespace espalier::gui
