// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/setting_text.h"

#include "core/base/text.h"

#include <QCoreApplication>
#include <QRegularExpression>

#include <cmath>
#include <map>

namespace espalier::widgets {

namespace {

/// Words that are not written like others in a title.
QString titleWord(const std::string& word)
{
    static const std::map<std::string, QString> kSpelling{
        {"ema", "EMA"},
        {"jpeg", "JPEG"},
        {"eta", "η"},
        {"beta", "β"},
        {"beta1", "β₁"},
        {"beta2", "β₂"},
        {"epsilon", "ε"},
        {"attn", "attention"},
        {"num", "number of"},
        {"res", "residual"},
        {"hid", "hidden"},
        {"ch", "channel"},
        {"conv", "convolution"},
        {"grad", "gradient"},
        {"lr", "learning rate"},
        {"var", "variance"},
        {"unet", "U-Net"},
        {"cfg", "guidance"},
        {"gpu", "GPU"},
        {"cpu", "CPU"},
        {"vae", "VAE"},
        {"tf32", "TF32"},
        {"amsgrad", "AMSGrad"},
        {"min", "minimum"},
        {"init", "first weights"},
    };
    const auto found = kSpelling.find(word);
    return found == kSpelling.end() ? QString::fromStdString(word) : found->second;
}

QString titleOf(std::string_view key)
{
    QStringList words;
    std::string word;
    for (std::size_t i = 0; i <= key.size(); ++i) {
        if (i < key.size() && key[i] != '_') {
            word += key[i];
            continue;
        }
        if (!word.empty())
            words << titleWord(word);
        word.clear();
    }
    QString title = words.join(' ');
    // Greek letters stay small, words of two or more letters start large.
    if (!title.isEmpty() && title[0].unicode() < 128)
        title[0] = title[0].toUpper();
    return title;
}

QString superscript(int number)
{
    static const QString kDigits = "⁰¹²³⁴⁵⁶⁷⁸⁹";
    QString text;
    for (const QChar c : QString::number(number))
        text += c == '-' ? QChar(0x207B) : kDigits[c.digitValue()];
    return text;
}

} // namespace

std::vector<PathStep> pathSteps(std::string_view path)
{
    std::vector<PathStep> steps;
    std::size_t at = 0;
    while (at <= path.size() && !path.empty()) {
        const std::size_t dot = std::min(path.find('.', at), path.size());
        std::string key(path.substr(at, dot - at)), kind;
        if (const auto open = key.find('['); open != std::string::npos && key.back() == ']') {
            kind = key.substr(open + 1, key.size() - open - 2);
            key.resize(open);
        }
        steps.push_back({std::move(key), std::move(kind)});
        at = dot + 1;
    }
    return steps;
}

std::string plainPath(std::string_view path)
{
    std::string plain;
    for (const PathStep& step : pathSteps(path))
        plain += (plain.empty() ? "" : ".") + step.key;
    return plain;
}

std::string sectionOf(std::string_view path)
{
    const std::string plain = plainPath(path);
    const auto dot = plain.rfind('.');
    return dot == std::string::npos ? std::string() : plain.substr(0, dot);
}

QString settingTitle(std::string_view path)
{
    const auto steps = pathSteps(path);
    if (steps.empty())
        return {};
    if (steps.back().key == "kind" && steps.size() > 1) // "Kind" alone says nothing outside of its section
        return QCoreApplication::translate("settings", "%1 kind").arg(titleOf(steps[steps.size() - 2].key));
    return titleOf(steps.back().key);
}

QString sectionTitle(std::string_view section)
{
    if (section.empty())
        return QStringLiteral("Run");
    QStringList titles;
    for (const PathStep& step : pathSteps(section))
        titles << titleOf(step.key);
    return titles.join(QStringLiteral(" · "));
}

const Json* valueAt(const Json& config, std::string_view path)
{
    const Json* at = &config;
    for (const PathStep& step : pathSteps(path)) {
        if (!at->is_object())
            return nullptr;
        const auto found = at->find(step.key);
        if (found == at->end())
            return nullptr;
        at = &*found;
        if (!step.kind.empty() && (!at->is_object() || at->value("kind", Json()) != Json(step.kind)))
            return nullptr;
    }
    return at;
}

void setValueAt(Json& config, std::string_view path, Json value)
{
    Json* at = &config;
    for (const PathStep& step : pathSteps(path)) {
        if (!at->is_object())
            *at = Json::object();
        at = &(*at)[step.key];
    }
    *at = std::move(value);
}

QString valueText(const Json& value)
{
    switch (value.type()) {
    case Json::value_t::null:
        return {};
    case Json::value_t::boolean:
        return value.get<bool>() ? QStringLiteral("on") : QStringLiteral("off");
    case Json::value_t::number_integer:
        return groupedText(value.get<std::int64_t>());
    case Json::value_t::number_unsigned:
        return value.get<std::uint64_t>() <= std::uint64_t(INT64_MAX) ? groupedText(value.get<std::int64_t>())
                                                                      : QString::fromStdString(value.dump());
    case Json::value_t::string:
        return QString::fromStdString(value.get<std::string>());
    case Json::value_t::array: {
        QStringList parts;
        for (const Json& part : value)
            parts << valueText(part);
        return parts.join(QStringLiteral(", "));
    }
    default:
        return QString::fromStdString(value.dump());
    }
}

QString typedText(const QString& text, const Json& like)
{
    if (like.is_string())
        return text.trimmed();
    QString typed = text;
    static const QRegularExpression kSpaces(QStringLiteral("[\\s\\x{2009}\\x{202F}\\x{00A0}]+"));
    typed.remove(kSpaces);
    typed.replace(QChar(0x2212), QLatin1Char('-'));
    if (like.is_boolean() || (like.is_array() && !like.empty() && like[0].is_boolean())) {
        static const QRegularExpression kOn(QStringLiteral("\\b(on|yes)\\b")), kOff(QStringLiteral("\\b(off|no)\\b"));
        typed.replace(kOn, QStringLiteral("true")).replace(kOff, QStringLiteral("false"));
    }
    if (like.is_array() && !typed.startsWith('['))
        typed = '[' + typed + ']';
    // 5e4 is a whole number to a person.
    if (like.is_number_integer() && typed.contains('e', Qt::CaseInsensitive)) {
        bool ok = false;
        const double number = typed.toDouble(&ok);
        if (ok && std::abs(number) <= 9e15 && number == std::floor(number))
            typed = QString::number(static_cast<qint64>(number));
    }
    return typed;
}

QString assignmentText(const Json& value)
{
    return value.is_string() ? QString::fromStdString(value.get<std::string>()) : QString::fromStdString(value.dump());
}

QString scientificText(double value)
{
    if (value == 0.0 || !std::isfinite(value))
        return QString::number(value);
    const int exponent = static_cast<int>(std::floor(std::log10(std::abs(value)) + 1e-12));
    if (exponent >= -2 && exponent < 5)
        return QString::number(value, 'g', 4);
    double mantissa = value / std::pow(10.0, exponent);
    QString digits = QString::number(mantissa, 'f', 2);
    if (digits.endsWith('0'))
        digits.chop(1);
    return digits + QStringLiteral(" × 10") + superscript(exponent);
}

QString groupedText(qint64 value)
{
    return QString::fromStdString(groupedNumber(value));
}

QString shellCommand(const QStringList& words)
{
    static const QRegularExpression kSafe(QStringLiteral("^[A-Za-z0-9_./:=,@%+-]+$"));
    QStringList quoted;
    for (QString word : words)
        quoted << (kSafe.match(word).hasMatch() ? word : '\'' + word.replace(QLatin1String("'"), QLatin1String("'\\''")) + '\'');
    return quoted.join(' ');
}

} // namespace espalier::widgets
