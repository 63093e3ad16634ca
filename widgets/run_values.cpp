// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/run_values.h"

namespace espalier::widgets {
namespace {

const Json* settingOf(const Json& config, const char* group, const char* key)
{
    if (!config.is_object() || !config.contains(group) || !config[group].is_object() || !config[group].contains(key))
        return nullptr;
    return &config[group][key];
}

} // namespace

std::int64_t settingNumber(const Json& config, const char* group, const char* key)
{
    const Json* setting = settingOf(config, group, key);
    return setting != nullptr && setting->is_number() ? static_cast<std::int64_t>(setting->get<double>()) : -1;
}

QString settingText(const Json& config, const char* group, const char* key)
{
    const Json* setting = settingOf(config, group, key);
    return setting != nullptr && setting->is_string() ? qstr(setting->get<std::string>()) : QString();
}

bool drawsImages(const Json& config)
{
    return settingText(config, "model", "kind") != QLatin1String("vit");
}

} // namespace espalier::widgets
