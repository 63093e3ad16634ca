// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/sample_sequence.h"

#include "widgets/format.h"
#include "widgets/grid_settings.h"

#include <algorithm>

namespace espalier::widgets {

void SampleSequence::set(const QString& runFolder, std::vector<runs::SampleEntry> samples)
{
    m_folder = runFolder;
    m_all = std::move(samples);
    m_shown.clear();
}

void SampleSequence::filter(const std::string& weights, int stage)
{
    m_shown.clear();
    for (int i = 0; i < static_cast<int>(m_all.size()); ++i) {
        const auto& drawn = m_all[static_cast<std::size_t>(i)].drawn;
        if ((weights.empty() || weights == "*" || drawn.weights == weights) && (stage < 0 || drawn.stage == stage))
            m_shown.push_back(i);
    }
    std::stable_sort(m_shown.begin(), m_shown.end(), [this](int a, int b) {
        return m_all[static_cast<std::size_t>(a)].drawn.step < m_all[static_cast<std::size_t>(b)].drawn.step;
    });
}

int SampleSequence::placeOf(std::int64_t step) const
{
    int best = count() - 1;
    if (step >= 0)
        for (best = 0; best + 1 < count() && stepAt(best + 1) <= step;)
            ++best;
    return std::min(best, count() - 1);
}

int SampleSequence::lastOfStage(int stage) const
{
    for (int place = count() - 1; place >= 0; --place)
        if (entry(place).drawn.stage == stage)
            return place;
    return -1;
}

ImageSource SampleSequence::source(int place) const
{
    const runs::SampleEntry& sample = entry(place);
    return {m_folder + QLatin1Char('/') + QString::fromStdString(sample.drawn.grid), static_cast<qint64>(sample.time * 1000.0),
            sample.drawn.columns, static_cast<int>(std::min<std::int64_t>(sample.drawn.count, 65535))};
}

std::vector<ImageSource> SampleSequence::sources() const
{
    std::vector<ImageSource> all;
    for (int i = 0; i < count(); ++i)
        all.push_back(source(i));
    return all;
}

QString SampleSequence::stepText(int place) const
{
    return number(stepAt(place));
}

QStringList SampleSequence::stepTexts() const
{
    QStringList all;
    for (int i = 0; i < count(); ++i)
        all << stepText(i);
    return all;
}

QStringList SampleSequence::fileNames(const QString& stem) const
{
    QStringList all;
    for (int i = 0; i < count(); ++i)
        all << QStringLiteral("%1-%2-%3.png")
                   .arg(stem)
                   .arg(stepAt(i), 7, 10, QLatin1Char('0'))
                   .arg(isAveraged(entry(i).drawn.weights) ? QStringLiteral("ema") : QStringLiteral("raw"));
    return all;
}

std::set<std::string> SampleSequence::weights() const
{
    std::set<std::string> all;
    for (const auto& sample : m_all)
        all.insert(sample.drawn.weights);
    return all;
}

std::set<int> SampleSequence::stages() const
{
    std::set<int> all;
    for (const auto& sample : m_all)
        all.insert(sample.drawn.stage);
    return all;
}

} // namespace espalier::widgets
