// SPDX-License-Identifier: Apache-2.0
#pragma once

// The visitors over describe(): Catalog lists the settings, Write makes JSON, Read takes checked JSON. Private to this folder.

#include "core/config/field.h"

#include <string>
#include <type_traits>
#include <variant>
#include <vector>

namespace espalier::config {

template <class T>
concept Alternatives = requires { std::variant_size<T>::value; };

template <class E>
const char* nameOf(E value)
{
    for (const auto& [known, name] : Names<E>::kAll) {
        if (known == value)
            return name;
    }
    return "";
}

template <class E>
std::vector<std::string> choicesOf()
{
    std::vector<std::string> names;
    for (const auto& entry : Names<E>::kAll)
        names.emplace_back(entry.second);
    return names;
}

/// Lists every setting below a value, alternatives with all their kinds.
struct Catalog {
    std::vector<Field> rows;
    std::string at;

    template <class T>
    void operator()(const char* key, T& value, const char* help, Spec spec = {})
    {
        const std::string path = at.empty() ? key : at + "." + key;
        if constexpr (Described<T>) {
            Catalog below{{}, path};
            T::describe(value, below);
            append(std::move(below));
        } else if constexpr (Alternatives<T>) {
            alternatives(path, value, help, spec);
        } else {
            Field row{path, help, spec.unit, {}, {}, {}, {}, spec.advanced, spec.change};
            if constexpr (std::is_enum_v<T>) {
                row.def = nameOf(value);
                row.choices = choicesOf<T>();
            } else {
                row.def = value;
                row.min = spec.min ? Json(*spec.min) : Json();
                row.max = spec.max ? Json(*spec.max) : Json();
                if constexpr (requires { typename T::value_type; } && !std::is_same_v<T, std::string>)
                    row.element = typename T::value_type{};
            }
            rows.push_back(std::move(row));
        }
    }

private:
    template <class... A>
    void alternatives(const std::string& path, std::variant<A...>& value, const char* help, const Spec& spec)
    {
        const auto kind = std::visit([](const auto& held) { return std::string(held.kKind); }, value);
        rows.push_back({path + ".kind", help, "", kind, {}, {}, {A::kKind...}, spec.advanced, spec.change});
        const auto one = [&]<class T>(std::type_identity<T>) {
            T settings;
            Catalog below{{}, path + "[" + T::kKind + "]"};
            T::describe(settings, below);
            append(std::move(below));
        };
        (one(std::type_identity<A>{}), ...);
    }
    void append(Catalog&& below)
    {
        rows.insert(rows.end(), std::make_move_iterator(below.rows.begin()), std::make_move_iterator(below.rows.end()));
    }
};

/// Writes every setting below a value, in order.
struct Write {
    Json json = Json::object();

    template <class T>
    void operator()(const char* key, T& value, const char*, Spec spec = {})
    {
        if constexpr (requires { value.empty(); })
            if (spec.unwrittenEmpty && value.empty())
                return;
        if constexpr (Described<std::remove_const_t<T>>) {
            Write below;
            std::remove_const_t<T>::describe(value, below);
            json[key] = std::move(below.json);
        } else if constexpr (Alternatives<std::remove_const_t<T>>) {
            Write below;
            std::visit(
                [&]<class A>(A& held) {
                    below.json["kind"] = held.kKind;
                    std::remove_const_t<A>::describe(held, below);
                },
                value);
            json[key] = std::move(below.json);
        } else if constexpr (std::is_enum_v<std::remove_const_t<T>>) {
            json[key] = nameOf(value);
        } else {
            json[key] = value;
        }
    }
};

/// Reads what is there and leaves the rest at its default. The JSON has passed the field checks.
struct Read {
    const Json& json;

    template <class T>
    void operator()(const char* key, T& value, const char*, Spec = {})
    {
        const auto found = json.find(key);
        if (found == json.end())
            return;
        if constexpr (Described<T>) {
            Read below{*found};
            T::describe(value, below);
        } else if constexpr (Alternatives<T>) {
            alternatives(value, *found);
        } else if constexpr (std::is_enum_v<T>) {
            const auto& text = found->template get_ref<const std::string&>();
            for (const auto& [known, name] : Names<T>::kAll) {
                if (text == name)
                    value = known;
            }
        } else {
            value = found->template get<T>();
        }
    }

private:
    template <class... A>
    static void alternatives(std::variant<A...>& value, const Json& from)
    {
        const auto kind = from.find("kind");
        const auto one = [&]<class T>(std::type_identity<T>) {
            if (kind != from.end() && kind->template get_ref<const std::string&>() == T::kKind && !std::holds_alternative<T>(value))
                value = T{};
            if (auto* held = std::get_if<T>(&value)) {
                Read below{from};
                T::describe(*held, below);
            }
        };
        (one(std::type_identity<A>{}), ...);
    }
};

} // namespace espalier::config
