// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/format.h"

#include "core/base/text.h"

#include <chrono>
#include <cmath>

namespace espalier::widgets {

QString number(std::int64_t v)
{
    return QString::fromStdString(groupedNumber(v));
}

QString value(double v, int digits)
{
    if (std::isnan(v))
        return QStringLiteral("NaN");
    if (std::isinf(v))
        return v > 0 ? QStringLiteral("∞") : QStringLiteral("−∞");
    if (v == 0)
        return QStringLiteral("0");
    const double size = std::abs(v);
    QString text;
    if (size >= 1e7 || size < 1e-3) {
        const int exponent = static_cast<int>(std::floor(std::log10(size) + 1e-9));
        const double mantissa = size / std::pow(10.0, exponent);
        text = QString::number(mantissa, 'f', std::max(1, digits - 3)) + QStringLiteral(" × 10");
        static const QString kRaised = QStringLiteral("⁰¹²³⁴⁵⁶⁷⁸⁹");
        if (exponent < 0)
            text += QChar(0x207b);
        for (const QChar c : QString::number(std::abs(exponent)))
            text += kRaised[c.digitValue()];
    } else if (size >= 1000) {
        text = number(std::llround(size));
    } else {
        const int before = std::max(1, static_cast<int>(std::floor(std::log10(size))) + 1);
        text = QString::number(size, 'f', std::max(0, digits - before + (size < 1 ? 1 : 0)));
    }
    return v < 0 ? QChar(0x2212) + text : text;
}

QString compact(double v)
{
    const double size = std::abs(v);
    const auto scaled = [&](double by, const char* unit) { return QString::number(v / by, 'g', 3) + QChar(0x2009) + QLatin1String(unit); };
    if (size >= 1e18)
        return value(v, 4);
    if (size >= 1e15)
        return scaled(1e15, "P");
    if (size >= 1e12)
        return scaled(1e12, "T");
    if (size >= 1e9)
        return scaled(1e9, "G");
    if (size >= 1e6)
        return scaled(1e6, "M");
    if (size >= 1e4)
        return scaled(1e3, "k");
    return QString::number(v, 'g', 4);
}

QString duration(double seconds)
{
    return QString::fromStdString(durationText(std::chrono::duration<double>(std::max(0.0, seconds))));
}

QString ago(double seconds)
{
    if (seconds < 5)
        return QStringLiteral("just now");
    if (seconds < 60)
        return QStringLiteral("%1 s ago").arg(static_cast<int>(seconds));
    if (seconds < 3600)
        return QStringLiteral("%1 m ago").arg(static_cast<int>(seconds / 60));
    return duration(std::floor(seconds / 60) * 60) + QStringLiteral(" ago");
}

QString bytes(std::uint64_t count)
{
    return QString::fromStdString(bytesText(count));
}

QString modelName(const QString& kind)
{
    if (kind == QLatin1String("unet"))
        return QStringLiteral("U-Net");
    if (kind == QLatin1String("dit"))
        return QStringLiteral("DiT");
    if (kind == QLatin1String("vit"))
        return QStringLiteral("ViT");
    return kind;
}

QString datasetName(const QString& kind)
{
    if (kind == QLatin1String("cifar10"))
        return QStringLiteral("CIFAR-10");
    if (kind == QLatin1String("cifar100"))
        return QStringLiteral("CIFAR-100");
    if (kind == QLatin1String("garden"))
        return QStringLiteral("Garden");
    if (kind == QLatin1String("folder") || kind == QLatin1String("image_folder"))
        return QStringLiteral("Image folder");
    return kind;
}

QString scheduleName(const QString& kind)
{
    if (kind == QLatin1String("autoprog"))
        return QStringLiteral("AutoProg");
    if (kind == QLatin1String("autoprog-zero"))
        return QStringLiteral("AutoProg-Zero");
    if (kind == QLatin1String("assembled"))
        return QStringLiteral("Assembled");
    return kind;
}

} // namespace espalier::widgets
