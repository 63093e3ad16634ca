// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/evaluation_model.h"

#include "core/runs/metrics.h"

#include "widgets/page_parts.h"
#include "widgets/setting_text.h"
#include "widgets/table_parts.h"

#include <algorithm>
#include <cmath>
#include <optional>

namespace espalier::widgets {

namespace {

bool sameEntry(const runs::EvaluationEntry& a, const runs::EvaluationEntry& b)
{
    return a.time == b.time && a.evaluated.step == b.evaluated.step && a.evaluated.metric == b.evaluated.metric &&
           a.evaluated.weights == b.evaluated.weights && a.evaluated.value == b.evaluated.value;
}

std::optional<double> numberIn(const Json& object, const char* key)
{
    if (!object.is_object())
        return std::nullopt;
    const auto found = object.find(key);
    return found != object.end() && found->is_number() ? std::optional(found->get<double>()) : std::nullopt;
}

/// Distance of the generated images to their nearest training images: of the median one.
std::optional<double> nearestOf(const runs::Evaluated& evaluated)
{
    for (const char* key : {"nearest_median", "nearest", "nearest_least"})
        if (const auto value = numberIn(evaluated.extra, key))
            return value;
    return std::nullopt;
}

QString weightsWord(const std::string& weights)
{
    if (weights.rfind("ema", 0) == 0)
        return weights.size() > 4 ? QStringLiteral("EMA ") + QString::fromStdString(weights.substr(4)) : QStringLiteral("EMA");
    return QString::fromStdString(weights);
}

} // namespace

QString samplerOf(const Json& recipe)
{
    if (!recipe.is_object())
        return {};
    const auto sampler = recipe.find("sampler");
    if (sampler == recipe.end())
        return {};
    if (sampler->is_string())
        return QString::fromStdString(sampler->get<std::string>());
    if (!sampler->is_object())
        return {};
    QString name =
        QString::fromStdString(sampler->value("kind", Json("")).is_string() ? sampler->value("kind", std::string()) : std::string())
            .toUpper();
    if (const auto steps = numberIn(*sampler, "steps"))
        name += QLatin1Char('-') + QString::number(static_cast<qint64>(*steps));
    return name;
}

QString recipeName(const runs::Evaluated& e)
{
    if (e.recipe.is_object())
        if (const auto name = e.recipe.find("name"); name != e.recipe.end() && name->is_string())
            return QString::fromStdString(name->get<std::string>());
    QStringList parts{QString::fromStdString(runs::metricTitle(e.metric)), weightsWord(e.weights), samplerOf(e.recipe)};
    parts.removeAll(QString());
    return parts.join(QStringLiteral(", "));
}

void EvaluationModel::setEntries(const std::vector<runs::EvaluationEntry>& entries)
{
    const bool grew = entries.size() >= m_entries.size() && std::equal(m_entries.begin(), m_entries.end(), entries.begin(), sameEntry);
    if (!grew) {
        beginResetModel();
        m_entries = entries;
        endResetModel();
        return;
    }
    if (entries.size() == m_entries.size())
        return;
    const int first = static_cast<int>(m_entries.size());
    beginInsertRows({}, first, static_cast<int>(entries.size()) - 1);
    m_entries.insert(m_entries.end(), entries.begin() + first, entries.end());
    endInsertRows();
    if (first > 0) // another one may be the best now
        Q_EMIT dataChanged(index(0, Value), index(first - 1, Value), {kBestRole});
}

int EvaluationModel::rowCount(const QModelIndex& parent) const
{
    return parent.isValid() ? 0 : static_cast<int>(m_entries.size());
}

int EvaluationModel::columnCount(const QModelIndex& parent) const
{
    return parent.isValid() ? 0 : kColumns;
}

bool EvaluationModel::isBest(int row) const
{
    const runs::Evaluated& mine = m_entries[static_cast<std::size_t>(row)].evaluated;
    if (!std::isfinite(mine.value))
        return false;
    const QString recipe = recipeName(mine);
    for (const runs::EvaluationEntry& other : m_entries)
        if (other.evaluated.metric == mine.metric && recipeName(other.evaluated) == recipe &&
            runs::isBetter(mine.metric, other.evaluated.value, mine.value))
            return false;
    return true;
}

QVariant EvaluationModel::data(const QModelIndex& index, int role) const
{
    if (!checkIndex(index, CheckIndexOption::IndexIsValid | CheckIndexOption::ParentIsInvalid))
        return {};
    const runs::EvaluationEntry& entry = m_entries[static_cast<std::size_t>(index.row())];
    const int column = index.column();
    switch (role) {
    case Qt::DisplayRole:
        return display(entry, column);
    case kRawRole:
        return raw(entry, column);
    case Qt::TextAlignmentRole:
        return QVariant(int(Qt::AlignVCenter | (column == Step || column == Value || column == Floor || column == Ceiling ||
                                                        column == Images || column == Nearest
                                                    ? Qt::AlignRight
                                                    : Qt::AlignLeft)));
    case kBestRole:
        return column == Value && isBest(index.row());
    case kDimRole:
        return column == Floor || column == Ceiling || column == Recipe || column == When;
    case Qt::ToolTipRole:
        switch (column) {
        case Value:
            return isBest(index.row()) ? tr("The best of this recipe. ± is the spread over the seeds of the features.")
                                       : tr("± is the spread over the seeds of the features.");
        case Floor:
            if (entry.evaluated.metric == "top1")
                return tr("What guessing gets.");
            return tr("Real images against other real images: no model gets below it.");
        case Ceiling:
            return tr("Real images against uniform noise.");
        case Nearest:
            return tr("Distance of the median sample to its nearest training image; near 0 the model copies.");
        case Recipe:
            return QString::fromStdString(entry.evaluated.recipe.dump(2));
        default:
            return {};
        }
    default:
        return {};
    }
}

QVariant EvaluationModel::display(const runs::EvaluationEntry& entry, int column) const
{
    const runs::Evaluated& e = entry.evaluated;
    switch (column) {
    case Step:
        return groupedText(e.step);
    case Metric:
        return QString::fromStdString(runs::metricTitle(e.metric));
    case Value:
        return e.spread ? metricText(e.value) + QStringLiteral(" ± ") + QString::number(*e.spread, 'g', 2) : metricText(e.value);
    case Floor:
        return e.floor ? metricText(*e.floor) : QStringLiteral("–");
    case Ceiling:
        return e.ceiling ? metricText(*e.ceiling) : QStringLiteral("–");
    case Images: {
        const auto images = numberIn(e.recipe, "images");
        return images ? groupedText(static_cast<qint64>(*images)) : QStringLiteral("–");
    }
    case Sampler:
        return samplerOf(e.recipe);
    case Weights:
        return weightsWord(e.weights);
    case Nearest: {
        const auto nearest = nearestOf(e);
        return nearest ? metricText(*nearest) : QStringLiteral("–");
    }
    case Recipe:
        return recipeName(e);
    case When:
        return whenText(entry.time, 0.0);
    default:
        return {};
    }
}

QVariant EvaluationModel::raw(const runs::EvaluationEntry& entry, int column) const
{
    const runs::Evaluated& e = entry.evaluated;
    const auto number = [](const std::optional<double>& value) { return value ? QVariant(*value) : QVariant(QString()); };
    switch (column) {
    case Step:
        return QVariant(static_cast<qlonglong>(e.step));
    case Value:
        return e.value;
    case Floor:
        return number(e.floor);
    case Ceiling:
        return number(e.ceiling);
    case Images:
        return number(numberIn(e.recipe, "images"));
    case Nearest:
        return number(nearestOf(e));
    case When:
        return entry.time;
    default:
        return display(entry, column);
    }
}

QVariant EvaluationModel::headerData(int section, Qt::Orientation orientation, int role) const
{
    if (orientation != Qt::Horizontal || section < 0 || section >= kColumns)
        return {};
    if (role == Qt::TextAlignmentRole)
        return QVariant(
            int(Qt::AlignVCenter |
                (section == Step || (section >= Value && section <= Images) || section == Nearest ? Qt::AlignRight : Qt::AlignLeft)));
    if (role != Qt::DisplayRole)
        return {};
    if (section == Floor && !m_entries.empty())
        if (const auto* metric = runs::leadingMetric(m_entries.back().evaluated.metric); metric && metric->floor == "chance")
            return tr("Chance");
    static const char* const kTitles[kColumns] = {QT_TR_NOOP("Step"),    QT_TR_NOOP("Metric"), QT_TR_NOOP("Value"),   QT_TR_NOOP("Floor"),
                                                  QT_TR_NOOP("Ceiling"), QT_TR_NOOP("Images"), QT_TR_NOOP("Sampler"), QT_TR_NOOP("Weights"),
                                                  QT_TR_NOOP("Nearest"), QT_TR_NOOP("Recipe"), QT_TR_NOOP("When")};
    return tr(kTitles[section]);
}

} // namespace espalier::widgets
