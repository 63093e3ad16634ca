// SPDX-License-Identifier: Apache-2.0
#include "core/formats/pickle.h"
#include "core/formats/pickle_globals.h"
#include "core/formats/pickle_numpy.h"
#include "tests/core/formats/golden_json.h"

#include <chrono>

using namespace espalier;
using namespace espalier::formats;
using namespace espalier::tests;
using namespace std::string_literals;

namespace {

std::string refusalOf(const std::string& bytes)
{
    const auto pickle = Pickle::parse(bytesOf(bytes), "some.pkl", "a pickle");
    EXPECT_FALSE(pickle);
    if (pickle)
        return {};
    expectSentence(pickle.error(), "some.pkl");
    return pickle.error().message;
}

/// X and a text shorter than 256 bytes.
std::string text(const std::string& value)
{
    return "X"s + static_cast<char>(value.size()) + std::string(3, '\0') + value;
}

} // namespace

TEST(Pickle, ReadsNumbersOfEveryWidth)
{
    const std::string bytes =
        "\x80\x02(K\xffM\xff\xffJ\xff\xff\xff\xff\x8a\x00\x8a\x01\x80\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7fG\x3f\xf8\0\0\0\0\0\0t."s;
    const auto pickle = Pickle::parse(bytesOf(bytes), "some.pkl", "a pickle");
    ASSERT_TRUE(pickle) << pickle.error().message;
    EXPECT_EQ(pickle->size(), bytes.size());
    ASSERT_EQ(pickle->root().kind, PickleKind::Tuple);
    std::vector<std::int64_t> whole;
    for (std::size_t i = 0; i + 1 < pickle->root().items.size(); ++i)
        whole.push_back((*pickle)[pickle->root().items[i]].integer);
    EXPECT_EQ(whole, (std::vector<std::int64_t>{255, 65535, -1, 0, -128, INT64_MAX}));
    EXPECT_EQ((*pickle)[pickle->root().items.back()].number, 1.5);
}

TEST(Pickle, SharesWhatIsRecalledAndFindsTheLastValueOfAKey)
{
    const std::string bytes = "}(" + text("a") + "K\x01" + text("b") + "]q\0"s + text("c") + "h\0"s + text("a") + "K\x02u.";
    const auto pickle = Pickle::parse(bytesOf(bytes), "some.pkl", "a pickle");
    ASSERT_TRUE(pickle) << pickle.error().message;
    EXPECT_EQ(pickle->find(pickle->root(), "b"), pickle->find(pickle->root(), "c"));
    EXPECT_EQ(pickle->find(pickle->root(), "a")->integer, 2);
    EXPECT_EQ(pickle->find(pickle->root(), "d"), nullptr);
}

TEST(Pickle, RunsNothing)
{
    for (const std::string& code :
         {"cposix\nsystem\n" + text("touch PWNED") + "\x85R.", "cbuiltins\neval\n" + text("1") + "\x85R.",
          "\x80\x04" + text("os") + text("system") + "\x93.", "(S'touch PWNED'\nios\nsystem\n."s, "ctorch\nload\n."s,
          "ctorch.cuda\nis_available\n."s, "ctorch._utils\n_rebuild_qtensor\n."s, "ccollections\nOrderedDict.__reduce__\n."s})
        EXPECT_NE(refusalOf(code).find(code[0] == '(' ? "opcode" : "nothing was run"), std::string::npos);
    EXPECT_FALSE(std::filesystem::exists("PWNED"));
    EXPECT_EQ(knownGlobal("__builtin__", "set"), "builtins.set");
    EXPECT_EQ(knownGlobal("torch.cuda", "FloatStorage"), "torch.FloatStorage");
    EXPECT_EQ(knownGlobal("torch", "_utils._rebuild_tensor"), "torch._utils._rebuild_tensor"); // a name, whichever way it is cut
    EXPECT_EQ(knownGlobal("", "set"), "");
}

TEST(Pickle, EndsInTimeWhateverRepeats)
{
    const auto start = std::chrono::steady_clock::now();
    // A text of 64 KiB made bytes of a million times; a list that a set is made of again and again; a stack that grows by one byte each.
    const std::string big = "X\0\0\1\0"s + std::string(65536, 'x') + "q\0"s;
    std::string again = big + "0c_codecs\nencode\nq\x01"
                              "0(";
    std::string sets = "]("s + std::string(5000, 'N') + "eq\0"s +
                       "0cbuiltins\nset\nq\x01"
                       "0(";
    for (int i = 0; i < 100'000; ++i) {
        again += "h\1h\0\x85R"s;
        sets += "h\1h\0\x85R"s;
    }
    EXPECT_NE(refusalOf(again + "t.").find("again and again"), std::string::npos);
    EXPECT_NE(refusalOf(sets + "t.").find("without end"), std::string::npos);
    EXPECT_NE(refusalOf(std::string(3'000'000, 'N')).find("more than"), std::string::npos);
    EXPECT_NE(refusalOf("N" + std::string(5'000'000, '2')).find("without end"), std::string::npos);
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
}

TEST(Pickle, RefusesWhatPythonWould)
{
    for (const std::string& bytes : {std::string(), "."s, "NN."s, "(N."s, "t."s, "]]s."s, "Nb."s, "K"s,
                                     std::string("U\x05"
                                                 "abc."),
                                     "h\x07."s})
        refusalOf(bytes);
}

TEST(Pickle, ReadsNumpyOfBothByteOrders)
{
    for (const bool big : {false, true}) {
        const std::string type = "cnumpy\ndtype\n" + text("i2") + "\x89\x88\x87R(K\x03" + text(big ? ">" : "<") +
                                 "NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xff" + "K\0tb"s;
        const std::string data = "C\x06"s + (big ? "\0\1\0\2\1\0"s : "\1\0\2\0\0\1"s);
        const std::string bytes = "cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n" +
                                  "K\0\x85"
                                  "C\x01"
                                  "btR(K\1K\3\x85"s +
                                  type + "\x89" + data + "tb.";
        const auto pickle = Pickle::parse(bytesOf(bytes), "some.pkl", "a pickle");
        ASSERT_TRUE(pickle) << pickle.error().message;
        const auto array = numpyArrayOf(*pickle, pickle->root());
        ASSERT_TRUE(array);
        EXPECT_EQ(array->shape, (std::vector<std::int64_t>{3}));
        EXPECT_EQ(*toIntegers(*array, "x"), (std::vector<std::int64_t>{1, 2, 256}));
    }
}
