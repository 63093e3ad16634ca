// SPDX-License-Identifier: Apache-2.0
#include "core/training/tensorboard_mirror.h"

#include "core/base/files.h"
#include "core/formats/image_decode.h"
#include "core/formats/tensorboard.h"

#include <optional>

namespace espalier::training {
namespace {

class TensorBoardMirror final : public runs::ScalarMirror {
public:
    explicit TensorBoardMirror(std::filesystem::path folder) : m_folder(std::move(folder)) {}

    void scalar(std::string_view tag, const runs::ScalarPoint& point) override
    {
        if (auto* writer = open())
            keep(writer->addScalar(tag, point.step, point.time, static_cast<float>(point.value)));
    }

    void image(std::string_view tag, std::int64_t step, double time, const std::filesystem::path& png) override
    {
        auto* writer = open();
        const auto content = writer ? readFile(png, 256 << 20) : Result<std::string>(Error{});
        if (!content)
            return;
        const auto bytes = std::as_bytes(std::span(content->data(), content->size()));
        if (const auto info = formats::readImageInfo(bytes, png.string()))
            keep(writer->addImage(tag, step, time, info->width, info->height, 3, bytes));
    }

    void flush() override {} // every record is one write already

private:
    formats::TensorBoardWriter* open()
    {
        if (!m_writer && !m_off) {
            std::error_code problem;
            std::filesystem::create_directories(m_folder, problem);
            auto created = formats::TensorBoardWriter::create(m_folder, runs::wallTime());
            m_off = !created;
            if (created)
                m_writer.emplace(std::move(*created));
        }
        return m_off ? nullptr : &*m_writer;
    }
    void keep(const Result<Done>& written)
    {
        if (!written)
            m_off = true;
    }

    std::filesystem::path m_folder;
    std::optional<formats::TensorBoardWriter> m_writer;
    bool m_off = false;
};

} // namespace

std::unique_ptr<runs::ScalarMirror> tensorBoardMirror(const std::filesystem::path& folder)
{
    return std::make_unique<TensorBoardMirror>(folder);
}

} // namespace espalier::training
