// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/files.h"
#include "core/base/json.h"
#include "core/data/dice.h"
#include "core/formats/image.h"
#include "core/formats/safetensors.h"
#include "tests/support/golden.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

namespace espalier::tests {

/// vit/<name>.json and its tensors.
class GoldenVit : public testing::Test {
protected:
    void open(const std::string& name)
    {
        const auto file = goldenFolder() / "vit" / (name + ".json");
        ESPALIER_NEED_GOLDEN(file);
        m_list = Json::parse(*readFile(file));
        auto reader = formats::SafetensorsReader::open(goldenFolder() / "vit" / (name + ".safetensors"));
        ASSERT_TRUE(reader) << reader.error().message;
        m_stored.emplace(std::move(*reader));
    }

    template <class T>
    std::vector<T> stored(const std::string& name) const
    {
        const auto* entry = m_stored->find(name);
        EXPECT_TRUE(entry) << name;
        if (!entry)
            return {};
        std::vector<T> values(entry->bytes() / sizeof(T));
        EXPECT_TRUE(m_stored->copy(*entry, std::as_writable_bytes(std::span(values))));
        return values;
    }
    formats::Image picture(const std::string& name) const
    {
        const auto* entry = m_stored->find(name);
        EXPECT_TRUE(entry) << name;
        if (!entry)
            return {};
        return {static_cast<int>(entry->shape.at(1)), static_cast<int>(entry->shape.at(0)), stored<std::uint8_t>(name)};
    }

    Json m_list;
    std::optional<formats::SafetensorsReader> m_stored;
};

/// Gives listed draws, and says when something else is asked for.
class ScriptedDice final : public data::Dice {
public:
    /// Rows [function, value] or [function, low, high, value].
    explicit ScriptedDice(Json draws) : m_draws(std::move(draws)) {}

    double uniform(double low, double high) override
    {
        const Json row = next();
        if (row[0] == "random") {
            EXPECT_EQ(low, 0.0);
            EXPECT_EQ(high, 1.0);
        } else {
            EXPECT_EQ(row[0], "uniform");
            EXPECT_NEAR(low, row[1].get<double>(), 1e-11);
            EXPECT_NEAR(high, row[2].get<double>(), 1e-11);
        }
        return row.back();
    }
    std::int64_t integer(std::int64_t low, std::int64_t high) override
    {
        const Json row = next();
        EXPECT_EQ(row[0], "randint");
        EXPECT_EQ(low, row[1]);
        EXPECT_EQ(high, row[2]);
        return row.back();
    }
    double normal(double, double) override
    {
        const Json row = next();
        EXPECT_EQ(row[0], "gauss");
        return row.back();
    }
    bool isUsedUp() const { return m_used == m_draws.size(); }

private:
    Json next()
    {
        if (m_used < m_draws.size())
            return m_draws[m_used++];
        ADD_FAILURE() << "more draws than " << m_draws.dump();
        return Json::array({"none", 0.0, 1.0, 0.5});
    }
    Json m_draws;
    std::size_t m_used = 0;
};

} // namespace espalier::tests
