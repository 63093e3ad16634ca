// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/requests.h"

namespace espalier::widgets {

Json SamplerChoice::overlay() const
{
    return {{"kind", kind.toStdString()},
            {"steps", steps},
            {"eta", eta},
            {"timestep_respacing", timestepRespacing.toStdString()},
            {"clip_denoised", clipDenoised},
            {"guidance", guidance},
            {"guidance_channels", guidanceChannels.toStdString()},
            {"label", label}};
}

QStringList SamplerChoice::arguments() const
{
    QStringList words{QStringLiteral("--sampler"), kind};
    if (kind == QLatin1String("ddim"))
        words << QStringLiteral("--steps") << QString::number(steps) << QStringLiteral("--eta") << QString::number(eta);
    words << QStringLiteral("--timestep-respacing") << (timestepRespacing.isEmpty() ? QStringLiteral("none") : timestepRespacing)
          << QStringLiteral("--clip-denoised") << (clipDenoised ? QStringLiteral("true") : QStringLiteral("false"));
    return words << QStringLiteral("--guidance") << QString::number(guidance) << QStringLiteral("--guidance-channels") << guidanceChannels
                 << QStringLiteral("--label=%1").arg(label);
}

Json SampleRequest::wishOptions() const
{
    return {{"count", count}, {"seed", seed}, {"weights", weights.toStdString()}, {"sampler", sampler.overlay()}};
}

QStringList SampleRequest::arguments() const
{
    return QStringList{QStringLiteral("--num"),     QString::number(count),
                       QStringLiteral("--weights"), weights == QLatin1String("both") ? QStringLiteral("ema") : weights,
                       QStringLiteral("--seed"),    QString::number(seed)} +
           sampler.arguments();
}

Json EvaluateRequest::wishOptions() const
{
    return {{"metric", metric.toStdString()},
            {"features", features.toStdString()},
            {"images", images},
            {"seed", seed},
            {"sampler", sampler.overlay()}};
}

QStringList EvaluateRequest::arguments() const
{
    QStringList words;
    if (metric != QLatin1String("auto"))
        words << QStringLiteral("--metrics") << metric;
    words << QStringLiteral("--num") << QString::number(images) << QStringLiteral("--seed") << QString::number(seed);
    if (metric == QLatin1String("fid"))
        words << QStringLiteral("--features") << features;
    return words + sampler.arguments();
}

QStringList ExportRequest::arguments() const
{
    return {QStringLiteral("--weights"), weights, QStringLiteral("--to"), format, QStringLiteral("--out"), file};
}

} // namespace espalier::widgets
