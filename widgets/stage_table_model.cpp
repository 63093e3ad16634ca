// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/stage_table_model.h"

#include "core/plan/chain.h"
#include "widgets/run_values.h"
#include "widgets/setting_text.h"
#include "widgets/stage_words.h"
#include "widgets/table_parts.h"

#include <algorithm>

namespace espalier::widgets {

namespace {

constexpr int kMostStages = 64;

const config::Field* fieldAt(const QString& key)
{
    const std::string path = "schedule[stages]." + key.toStdString();
    const auto& all = config::fields();
    const auto found = std::find_if(all.begin(), all.end(), [&](const auto& field) { return field.path == path; });
    return found == all.end() ? nullptr : &*found;
}

} // namespace

StageTableModel::StageTableModel(ConfigurationModel* config, QObject* parent) : QAbstractTableModel(parent), m_config(config)
{
    connect(config, &ConfigurationModel::changed, this, &StageTableModel::refresh);
    refresh();
}

bool StageTableModel::applies() const
{
    return settingText(m_config->config(), "schedule", "kind") == QLatin1String("stages");
}

int StageTableModel::stages() const
{
    return applies() ? static_cast<int>(std::clamp<std::int64_t>(settingNumber(m_config->config(), "schedule", "stages"), 0, kMostStages))
                     : 0;
}

void StageTableModel::refresh()
{
    const int now = stages();
    if (now > m_rows) {
        beginInsertRows({}, m_rows, now - 1);
        m_rows = now;
        endInsertRows();
    } else if (now < m_rows) {
        beginRemoveRows({}, now, m_rows - 1);
        m_rows = now;
        endRemoveRows();
    }
    if (m_rows > 0)
        Q_EMIT dataChanged(index(0, 0), index(m_rows - 1, kColumns - 1));
    Q_EMIT headerDataChanged(Qt::Horizontal, Length, Length);
}

QString StageTableModel::keyOf(int column) const
{
    static const char* const kKeys[kColumns] = {
        "",           "",           "depth",         "levels", "blocks", "side", "trainable", "drop", "rand_augment",
        "erase_prob", "batch_size", "learning_rate", "",       "",       ""};
    return column == Length ? lengthKind() : QString::fromLatin1(kKeys[column]);
}

const config::Field* StageTableModel::fieldOf(int column) const
{
    const QString key = keyOf(column);
    return key.isEmpty() ? nullptr : fieldAt(key);
}

int StageTableModel::columnOf(const std::string& path) const
{
    for (const char* key : {"share", "steps", "epochs", "seconds"})
        if (path == std::string("schedule.") + key)
            return Length;
    for (int column = Depth; column <= Rate; ++column)
        if (path == "schedule." + keyOf(column).toStdString())
            return column;
    return -1;
}

bool StageTableModel::isUsed(int column) const
{
    const config::Field* field = fieldOf(column);
    return field == nullptr || column == Length || m_config->isUsed(*field);
}

QString StageTableModel::lengthKind() const
{
    for (const char* key : {"steps", "epochs", "seconds"})
        if (const config::Field* field = fieldAt(QString::fromLatin1(key)))
            if (const Json* list = m_config->value(*field); list && list->is_array() && !list->empty())
                return QString::fromLatin1(key);
    return QStringLiteral("share");
}

bool StageTableModel::isGiven(int column) const
{
    const config::Field* field = fieldOf(column);
    const Json* value = field ? m_config->value(*field) : nullptr;
    return value && (value->is_array() ? !value->empty() : value->is_string() && *value != Json(""));
}

bool StageTableModel::canBeLeftOut(int column) const
{
    return column >= Drop && column <= Rate && !isGiven(column) && (m_problem.isEmpty() || m_problemColumn != column);
}

QString StageTableModel::modelText(int column) const
{
    const Json& config = m_config->config();
    const auto read = config::readModel(config.is_object() && config.contains("model") ? config["model"] : Json());
    const auto number = [](std::int64_t value) { return value < 0 ? QString() : groupedText(value); };
    const auto inAugment = [&](const char* key) {
        const Json* value = valueAt(config, std::string("data.augment.") + key);
        return value && value->is_number() ? QString::number(value->get<double>()) : QStringLiteral("0");
    };
    switch (column) {
    case Length:
        return QStringLiteral("1");
    case Depth:
    case Blocks:
        return read ? number(plan::depthOf(*read)) : QString();
    case Levels:
        if (const auto* unet = read ? std::get_if<config::UNetConfig>(&*read) : nullptr)
            return number(static_cast<std::int64_t>(unet->chMultipliers.size()));
        return {};
    case Side:
        return number(settingNumber(config, "data", "side"));
    case Trainable:
        return QStringLiteral("all");
    case Drop:
        return read ? QString::number(plan::dropOf(*read)) : QString();
    case RandAugment:
        return inAugment("magnitude");
    case Erase:
        return inAugment("erase");
    case Batch:
        return number(settingNumber(config, "training", "batch_size"));
    case Rate:
        return QStringLiteral("1");
    default:
        return {};
    }
}

QStringList StageTableModel::texts(int column) const
{
    QStringList all;
    const config::Field* field = fieldOf(column);
    const Json* value = field ? m_config->value(*field) : nullptr;
    const QStringList words =
        value && value->is_string() ? QString::fromStdString(value->get<std::string>()).split(QLatin1Char(';')) : QStringList();
    const bool given = isGiven(column);
    for (int row = 0; row < m_rows; ++row) {
        if (!given)
            all << modelText(column);
        else if (value->is_array())
            all << (row < static_cast<int>(value->size()) ? valueText((*value)[static_cast<std::size_t>(row)]) : QString());
        else
            all << words.value(row).trimmed();
    }
    return all;
}

int StageTableModel::rowCount(const QModelIndex& parent) const
{
    return parent.isValid() ? 0 : m_rows;
}

int StageTableModel::columnCount(const QModelIndex& parent) const
{
    return parent.isValid() ? 0 : kColumns;
}

QVariant StageTableModel::data(const QModelIndex& index, int role) const
{
    if (!checkIndex(index, CheckIndexOption::IndexIsValid | CheckIndexOption::ParentIsInvalid))
        return {};
    const int row = index.row(), column = index.column();
    const bool wrong = !m_problem.isEmpty() && (m_problemStage == row || (m_problemStage < 0 && m_problemColumn >= 0)) &&
                       (m_problemColumn < 0 ? column == Name : m_problemColumn == column);
    switch (role) {
    case Qt::DisplayRole:
    case Qt::EditRole: {
        if (column == Name)
            return stageTitle(row);
        const StageCostText cost = row < static_cast<int>(m_costs.size()) ? m_costs[static_cast<std::size_t>(row)] : StageCostText();
        if (column == Parameters)
            return cost.parameters;
        if (column == Work)
            return cost.work;
        if (column == Time)
            return cost.time;
        const QString text = texts(column).value(row);
        return role == Qt::EditRole || !text.isEmpty() ? text : QStringLiteral("missing");
    }
    case kFailureRole:
        return wrong;
    case kDimRole:
        return column >= Parameters || (column != Name && !isGiven(column));
    case Qt::TextAlignmentRole:
        return QVariant(int(Qt::AlignVCenter | (column == Name || column == Trainable ? Qt::AlignLeft : Qt::AlignRight)));
    case Qt::ToolTipRole:
        if (wrong)
            return m_problem;
        if (column >= Parameters || column == Name)
            return {};
        return isGiven(column) ? tr("Double-click to change; clear it to leave the whole column to the model")
                               : tr("As the model says; type a value to let this grow from stage to stage");
    default:
        return {};
    }
}

bool StageTableModel::setData(const QModelIndex& index, const QVariant& value, int role)
{
    if (role != Qt::EditRole || !checkIndex(index, CheckIndexOption::IndexIsValid | CheckIndexOption::ParentIsInvalid) || m_readOnly)
        return false;
    const config::Field* field = fieldOf(index.column());
    if (!field)
        return false;
    const QString text = value.toString().trimmed();
    QStringList all = texts(index.column());
    if (all.value(index.row()) == text)
        return false;
    all[index.row()] = text;
    m_config->setText(*field,
                      text.isEmpty() ? QString() : all.join(index.column() == Trainable ? QStringLiteral("; ") : QStringLiteral(", ")));
    m_config->endEdit();
    return true;
}

void StageTableModel::setLengthKind(const QString& kind)
{
    if (kind == lengthKind() || !applies())
        return;
    Json schedule = Json::object();
    for (const char* key : {"share", "steps", "epochs", "seconds"})
        schedule[key] = Json::array();
    if (kind != QLatin1String("share")) { // as long together as the training is
        const std::string key = kind.toStdString();
        const std::int64_t whole = settingNumber(m_config->config(), "training", key.c_str());
        const std::int64_t each = std::max<std::int64_t>(1, whole > 0                        ? whole / std::max(1, m_rows)
                                                            : kind == QLatin1String("steps") ? 1000
                                                                                             : 60);
        for (int row = 0; row < m_rows; ++row)
            schedule[key].push_back(kind == QLatin1String("seconds") ? Json(static_cast<double>(each)) : Json(each));
    }
    m_config->setValues({{"schedule", schedule}}, tr("Length of the stages in %1").arg(kind));
}

void StageTableModel::addStage()
{
    if (!applies() || m_rows >= kMostStages || m_rows < 1)
        return;
    Json schedule{{"stages", m_rows + 1}};
    for (int column = Length; column <= Rate; ++column) {
        if (!isGiven(column))
            continue;
        const Json* value = m_config->value(*fieldOf(column));
        const std::string key = keyOf(column).toStdString();
        if (value->is_array()) {
            Json list = *value;
            list.push_back(list.back());
            schedule[key] = list;
        } else {
            schedule[key] = value->get<std::string>() + "; " + texts(column).last().toStdString();
        }
    }
    m_config->setValues({{"schedule", schedule}}, tr("One more stage"));
}

void StageTableModel::removeStage()
{
    if (!applies() || m_rows < 2)
        return;
    const int gone = m_rows - 2;
    Json schedule{{"stages", m_rows - 1}};
    for (int column = Length; column <= Rate; ++column) {
        if (!isGiven(column))
            continue;
        const Json* value = m_config->value(*fieldOf(column));
        const std::string key = keyOf(column).toStdString();
        if (value->is_array()) {
            Json list = *value;
            if (gone < static_cast<int>(list.size()))
                list.erase(static_cast<std::size_t>(gone));
            schedule[key] = list;
        } else {
            QStringList words = texts(column);
            words.removeAt(gone);
            schedule[key] = words.join(QStringLiteral("; ")).toStdString();
        }
    }
    m_config->setValues({{"schedule", schedule}}, tr("One stage less"));
}

void StageTableModel::setCosts(std::vector<StageCostText> costs)
{
    if (costs == m_costs)
        return;
    m_costs = std::move(costs);
    if (m_rows > 0)
        Q_EMIT dataChanged(index(0, Parameters), index(m_rows - 1, Time));
}

void StageTableModel::setProblem(const QString& message, int stage, const std::string& path)
{
    m_problem = message;
    m_problemStage = stage;
    m_problemColumn = columnOf(path);
    if (m_rows > 0)
        Q_EMIT dataChanged(index(0, 0), index(m_rows - 1, kColumns - 1), {kFailureRole, Qt::ToolTipRole});
}

QVariant StageTableModel::headerData(int section, Qt::Orientation orientation, int role) const
{
    if (orientation != Qt::Horizontal || section < 0 || section >= kColumns)
        return {};
    if (role == Qt::TextAlignmentRole)
        return QVariant(int(Qt::AlignVCenter | (section == Name || section == Trainable ? Qt::AlignLeft : Qt::AlignRight)));
    if (role == Qt::ToolTipRole) {
        if (const config::Field* field = fieldOf(section))
            return QString::fromStdString(field->help);
        return section == Time   ? tr("At the pace of a run like this one")
               : section == Work ? tr("Forward and backward of one image")
                                 : QString();
    }
    if (role != Qt::DisplayRole)
        return {};
    switch (section) {
    case Length:
        return settingTitle("schedule." + lengthKind().toStdString());
    case Depth:
        return tr("Depth");
    case Levels:
        return tr("Levels");
    case Blocks:
        return tr("Blocks");
    case Side:
        return tr("Side");
    case Trainable:
        return tr("Trains");
    case Drop:
        return tr("Drop");
    case RandAugment:
        return tr("RandAug");
    case Erase:
        return tr("Erase");
    case Batch:
        return tr("Batch");
    case Rate:
        return tr("Rate ×");
    case Parameters:
        return tr("Param.");
    case Work:
        return tr("FLOP");
    case Time:
        return tr("Time");
    default:
        return QString();
    }
}

Qt::ItemFlags StageTableModel::flags(const QModelIndex& index) const
{
    Qt::ItemFlags flags = QAbstractTableModel::flags(index);
    if (index.isValid() && !m_readOnly && index.column() >= Length && index.column() <= Rate)
        flags |= Qt::ItemIsEditable;
    return flags;
}

} // namespace espalier::widgets
