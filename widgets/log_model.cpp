// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/log_model.h"

#include "widgets/setting_text.h"
#include "widgets/stage_words.h"

#include <QDateTime>

#include <algorithm>

namespace espalier::widgets {

namespace {

constexpr qsizetype kMaxLine = 4000; // characters shown of one line

LogLevel levelOf(std::string_view word, bool& known)
{
    known = true;
    if (word == "debug")
        return LogLevel::Debug;
    if (word == "info")
        return LogLevel::Info;
    if (word == "warning")
        return LogLevel::Warning;
    if (word == "error")
        return LogLevel::Error;
    known = false;
    return LogLevel::Info;
}

/// One sentence a row, so that none is cut off.
QStringList sentences(const QString& text)
{
    QStringList all;
    qsizetype begin = 0;
    for (qsizetype end = text.indexOf(QLatin1String(". ")); end >= 0; end = text.indexOf(QLatin1String(". "), begin)) {
        all << text.mid(begin, end + 1 - begin);
        begin = end + 2;
    }
    if (begin < text.size())
        all << text.mid(begin);
    return all;
}

/// A sentence that does not say when itself.
QString whenFailed(const QString& sentence, std::int64_t step)
{
    return step >= 0 && !sentence.contains(QLatin1String("step")) ? QObject::tr(" (step %1)").arg(groupedText(step)) : QString();
}

} // namespace

LogLine parseLogLine(std::string_view line)
{
    while (!line.empty() && (line.back() == '\n' || line.back() == '\r'))
        line.remove_suffix(1);
    LogLine parsed;
    constexpr std::size_t kStamp = 19; // "2026-11-23 21:04:07"
    if (line.size() > kStamp && line[4] == '-' && line[10] == ' ' && line[13] == ':' && line[kStamp] == ' ') {
        const QDateTime time = QDateTime::fromString(QString::fromLatin1(line.data(), kStamp), QStringLiteral("yyyy-MM-dd HH:mm:ss"));
        const std::string_view rest = line.substr(kStamp + 1);
        const std::size_t space = std::min(rest.find(' '), rest.size());
        bool known = false;
        const LogLevel level = levelOf(rest.substr(0, space), known);
        if (time.isValid() && known) {
            parsed.time = static_cast<double>(time.toSecsSinceEpoch());
            parsed.level = level;
            line = rest.substr(std::min(space + 1, rest.size()));
        }
    }
    parsed.text = QString::fromUtf8(line.data(), static_cast<qsizetype>(std::min<std::size_t>(line.size(), kMaxLine)));
    return parsed;
}

QString explainFailure(std::string_view code)
{
    static const std::pair<const char*, const char*> kWords[] = {
        {"usage", QT_TR_NOOP("A setting or flag is wrong. Put it right in Configuration and start again.")},
        {"io", QT_TR_NOOP("A file could not be read or written. Look at free space and permissions of the disk, then start again: the run "
                          "goes on from its last checkpoint.")},
        {"format", QT_TR_NOOP("A file is damaged or not what its name says. Verify the checkpoints, or choose another file.")},
        {"busy", QT_TR_NOOP("Another program holds the run. Wait until it ends, or stop it.")},
        {"memory",
         QT_TR_NOOP("No memory was left. Lower training.micro_batch (the result stays the same) or use more devices, then start again.")},
        {"device",
         QT_TR_NOOP("A device is missing or failed. espalier-cli doctor says what is wrong with it; \"devices\" can name another one.")},
        {"not_finite",
         QT_TR_NOOP("Loss or gradients became NaN or infinite. The weights were not touched: go on from the last checkpoint with a "
                    "lower learning rate or longer warm-up.")},
        {"lost",
         QT_TR_NOOP("A worker ended or stopped answering. The log above says which; start again to go on from the last checkpoint.")},
        {"cancelled", QT_TR_NOOP("It was asked to stop.")},
        {"internal",
         QT_TR_NOOP("This is a bug in Espalier. The run goes on from its last checkpoint when you start it again; please report the log.")},
    };
    for (const auto& [word, text] : kWords)
        if (code == word)
            return LogModel::tr(text);
    return {};
}

std::optional<LogLine> logLineOf(const runs::Event& event)
{
    LogLine line;
    line.time = event.time;
    if (const auto failed = runs::eventAs<runs::Failed>(event)) {
        line.level = LogLevel::Error;
        line.text = QString::fromStdString(failed->message);
        line.text += whenFailed(line.text, failed->step);
        line.explanation = explainFailure(failed->code);
        return line;
    }
    if (const auto warned = runs::eventAs<runs::Warned>(event)) {
        line.level = LogLevel::Warning;
        line.text = QString::fromStdString(warned->message);
        return line;
    }
    if (const auto begun = runs::eventAs<runs::Initialised>(event)) {
        line.text = QObject::tr("Begun with weights of %1").arg(QString::fromStdString(begun->path));
        for (const auto& change : begun->changes)
            if (change.is_string())
                line.text += QStringLiteral("; ") + QString::fromStdString(change.get<std::string>());
        return line;
    }
    if (const auto state = runs::eventAs<runs::StateChanged>(event)) {
        line.text = QString::fromUtf8(runs::stateTitle(state->state).data(), static_cast<qsizetype>(runs::stateTitle(state->state).size()));
        if (!state->why.empty())
            line.text += QStringLiteral(": ") + countedFromOne(QString::fromStdString(state->why));
        line.level = state->state == runs::RunState::Failed ? LogLevel::Error : LogLevel::Info;
        return line;
    }
    if (const auto wish = runs::eventAs<runs::WishAnswered>(event)) {
        line.level = wish->granted ? LogLevel::Info : LogLevel::Warning;
        line.text = QString::fromStdString(wish->answer);
        return line;
    }
    if (const auto override = runs::eventAs<runs::Overridden>(event)) {
        line.level = override->forced ? LogLevel::Warning : LogLevel::Info;
        line.text = QObject::tr("%1 changed from %2 to %3")
                        .arg(QString::fromStdString(override->path), valueText(override->before), valueText(override->after));
        return line;
    }
    if (const auto saved = runs::eventAs<runs::CheckpointWritten>(event)) {
        line.text = QObject::tr("Checkpoint of step %1 saved").arg(groupedText(saved->step));
        return line;
    }
    if (const auto stage = runs::eventAs<runs::StageStarted>(event)) {
        line.text = QObject::tr("%1 begins at step %2").arg(stageTitle(stage->id, stage->index), groupedText(stage->fromStep));
        return line;
    }
    if (const auto found = runs::eventAs<runs::Searched>(event)) {
        line.text = QObject::tr("%1 will be %2, as the search at step %3 found")
                        .arg(stageTitle(found->stage), QString::fromStdString(found->chosen), groupedText(found->step));
        return line;
    }
    if (const auto forked = runs::eventAs<runs::Forked>(event)) {
        line.text = QObject::tr("Forked from %1 at the end of %2, step %3")
                        .arg(QString::fromStdString(forked->name), stageTitle(forked->stage).toLower(), groupedText(forked->step));
        return line;
    }
    if (const auto resumed = runs::eventAs<runs::Resumed>(event)) {
        line.text = QObject::tr("Attempt %1 goes on from step %2").arg(resumed->attempt).arg(groupedText(resumed->fromStep));
        return line;
    }
    return std::nullopt;
}

LogModel::LogModel(int limit, QObject* parent) : QAbstractListModel(parent), m_limit(std::max(2, limit)) {}

void LogModel::append(const std::vector<LogLine>& lines)
{
    std::vector<Row> rows;
    rows.reserve(lines.size());
    for (const LogLine& line : lines) {
        QString text = line.text.left(kMaxLine);
        text.replace(QLatin1Char('\n'), QStringLiteral(" ⏎ "));
        const QString group = line.explanation.isEmpty() ? text : text + QLatin1Char(' ') + line.explanation;
        rows.push_back({line.time, line.level, false, text, group});
        for (const QString& sentence : sentences(line.explanation))
            rows.push_back({line.time, line.level, true, sentence, group});
    }
    if (rows.empty())
        return;
    if (static_cast<int>(rows.size()) >= m_limit) { // only the last of them can stay
        beginResetModel();
        m_dropped += static_cast<qint64>(m_rows.size() + rows.size()) - m_limit;
        m_rows.assign(rows.end() - m_limit, rows.end());
        endResetModel();
        return;
    }
    if (const int over = static_cast<int>(m_rows.size() + rows.size()) - m_limit; over > 0) {
        // More than needed at once, so that a busy log does not shift with every line.
        const int drop = std::min(static_cast<int>(m_rows.size()), over + m_limit / 20);
        beginRemoveRows({}, 0, drop - 1);
        m_rows.erase(m_rows.begin(), m_rows.begin() + drop);
        m_dropped += drop;
        endRemoveRows();
    }
    const int first = static_cast<int>(m_rows.size());
    beginInsertRows({}, first, first + static_cast<int>(rows.size()) - 1);
    m_rows.insert(m_rows.end(), std::make_move_iterator(rows.begin()), std::make_move_iterator(rows.end()));
    endInsertRows();
}

void LogModel::clear()
{
    beginResetModel();
    m_rows.clear();
    m_dropped = 0;
    endResetModel();
}

int LogModel::rowCount(const QModelIndex& parent) const
{
    return parent.isValid() ? 0 : static_cast<int>(m_rows.size());
}

QVariant LogModel::data(const QModelIndex& index, int role) const
{
    if (!checkIndex(index, CheckIndexOption::IndexIsValid | CheckIndexOption::ParentIsInvalid))
        return {};
    const Row& row = m_rows[static_cast<std::size_t>(index.row())];
    switch (role) {
    case Qt::DisplayRole:
        return row.text;
    case Qt::ToolTipRole:
        return row.text.size() > 120 ? row.text : QVariant();
    case TimeRole:
        return row.time;
    case LevelRole:
        return static_cast<int>(row.level);
    case ExplanationRole:
        return row.explanation;
    case GroupRole:
        return row.group;
    case Qt::AccessibleTextRole: {
        static const char* const kLevels[] = {QT_TR_NOOP("debug"), QT_TR_NOOP("info"), QT_TR_NOOP("warning"), QT_TR_NOOP("error")};
        return tr(kLevels[static_cast<int>(row.level)]) + QStringLiteral(": ") + row.text;
    }
    default:
        return {};
    }
}

} // namespace espalier::widgets
