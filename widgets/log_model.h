// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/base/log.h"
#include "core/runs/events.h"

#include <QAbstractListModel>
#include <QString>

#include <deque>
#include <optional>
#include <string_view>
#include <vector>

namespace espalier::widgets {

struct LogLine {
    double time = 0.0; // seconds since 1970; 0: unknown
    LogLevel level = LogLevel::Info;
    QString text;
    QString explanation; // what it means and what to do; a line of its own below
};

/// A line of log.txt ("2026-11-23 21:04:07 warning message"); anything else is a plain line.
LogLine parseLogLine(std::string_view line);
/// What an event says, or nothing where the log has it already or nobody would read it.
std::optional<LogLine> logLineOf(const runs::Event& event);
/// What a failure of this code means and what can be done, in one or two sentences; "" for an unknown code.
QString explainFailure(std::string_view code);

/// The newest lines of a log. An explanation takes rows of its own, so that all rows are equally high.
class LogModel : public QAbstractListModel {
    Q_OBJECT

public:
    static constexpr int kDefaultLimit = 20000; // rows
    enum Role { TimeRole = Qt::UserRole + 1, LevelRole, ExplanationRole, GroupRole };

    explicit LogModel(int limit = kDefaultLimit, QObject* parent = nullptr);
    void append(const std::vector<LogLine>& lines);
    void clear();
    /// Rows that went because there were too many.
    qint64 dropped() const { return m_dropped; }

    int rowCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role = Qt::DisplayRole) const override;

private:
    struct Row {
        double time;
        LogLevel level;
        bool explanation;
        QString text, group; // group: the line with its explanation, which a search looks at
    };
    const int m_limit;
    std::deque<Row> m_rows;
    qint64 m_dropped = 0;
};

} // namespace espalier::widgets
