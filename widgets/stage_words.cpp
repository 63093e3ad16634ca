// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/stage_words.h"

#include "core/plan/assembled.h"
#include "widgets/run_values.h"

#include <QObject>
#include <QRegularExpression>

#include <algorithm>
#include <charconv>

namespace espalier::widgets {

QString stageTitle(int index)
{
    return QObject::tr("Stage %1").arg(index + 1);
}

QString moduleTitle(std::int64_t module, int modules)
{
    return modules > 0 ? QObject::tr("Module %1 of %2").arg(module + 1).arg(modules) : QObject::tr("Module %1").arg(module + 1);
}

QString inSentence(const QString& title)
{
    return title.isEmpty() ? title : title.left(1).toLower() + title.mid(1);
}

StageNames::StageNames(const plan::Plan* plan)
{
    if (plan == nullptr)
        return;
    for (const auto& stage : plan->stages) {
        const auto place = static_cast<std::size_t>(std::max(0, stage.index));
        if (place > plan->stages.size())
            continue;
        if (m_titles.size() <= place)
            m_titles.resize(place + 1);
        m_titles[place] = stageTitle(stage.id, stage.index, static_cast<int>(stage.division.size()));
        m_named = m_named || !stage.division.empty();
    }
}

QString StageNames::of(int index) const
{
    const auto place = static_cast<std::size_t>(std::max(0, index));
    return place < m_titles.size() && !m_titles[place].isEmpty() ? m_titles[place] : stageTitle(index);
}

QString stageTitle(std::string_view id, int index, int modules)
{
    if (id == plan::kMetaStage)
        return QObject::tr("Meta model");
    if (id == plan::kAssembledStage)
        return QObject::tr("Assembled");
    constexpr std::string_view kModule = "module-";
    std::int64_t module = -1;
    if (id.starts_with(kModule))
        std::from_chars(id.data() + kModule.size(), id.data() + id.size(), module);
    return module >= 0 ? moduleTitle(module, modules) : stageTitle(index);
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
    said += sentence.mid(from);
    // Neither a folder "branches/module-0" nor a file.
    static const QRegularExpression kModule(QStringLiteral("(?<![-\\w/])([Mm])odule-(\\d+)\\b(?![/.]\\w)"));
    QString whole;
    from = 0;
    for (auto each = kModule.globalMatch(said); each.hasNext();) {
        const auto match = each.next();
        const bool begins = match.capturedStart() == 0 || match.captured(1) == QLatin1String("M");
        whole += said.mid(from, match.capturedStart() - from) + (begins ? QStringLiteral("Module ") : QStringLiteral("module ")) +
                 QString::number(match.captured(2).toInt() + 1);
        from = match.capturedEnd();
    }
    return whole + said.mid(from);
}

} // namespace espalier::widgets
