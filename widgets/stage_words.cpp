// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/stage_words.h"

#include "core/plan/assembled.h"
#include "widgets/run_values.h"

#include <QObject>
#include <QRegularExpression>

namespace espalier::widgets {

QString stageTitle(int index)
{
    return QObject::tr("Stage %1").arg(index + 1);
}

QString stageTitle(std::string_view id, int index)
{
    if (id == plan::kMetaStage)
        return QObject::tr("Meta model");
    if (id == plan::kAssembledStage)
        return QObject::tr("Assembled");
    constexpr std::string_view kModule = "module-";
    return id.starts_with(kModule) ? QObject::tr("Module %1").arg(qstr(id.substr(kModule.size()))) : stageTitle(index);
}

QString stageOption(int index)
{
    return QStringLiteral("--at-stage %1").arg(index);
}

QString stageOnCommandLine(int index)
{
    return QObject::tr("On the command line: %1").arg(stageOption(index));
}

QString countedFromOne(const QString& sentence, int* first)
{
    // Neither "--at-stage 0" nor "4 stages" nor a folder "stage-00/…".
    static const QRegularExpression kStage(QStringLiteral("(?<![-\\w])([Ss]tage )(?:stage-)?(\\d+)\\b"));
    QString said;
    qsizetype from = 0;
    if (first != nullptr)
        *first = -1;
    for (auto each = kStage.globalMatch(sentence); each.hasNext();) {
        const auto match = each.next();
        const int index = match.captured(2).toInt();
        if (first != nullptr && *first < 0)
            *first = index;
        said += sentence.mid(from, match.capturedStart() - from) + match.captured(1) + QString::number(index + 1);
        from = match.capturedEnd();
    }
    return said + sentence.mid(from);
}

} // namespace espalier::widgets
