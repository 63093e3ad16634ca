// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/image_provider.h"

#include "core/base/json.h"
#include "core/base/parse_json.h"

#include <QDir>
#include <QFile>
#include <QFileInfo>
#include <QImageReader>
#include <QPainter>
#include <QSaveFile>

#include <algorithm>
#include <cmath>

namespace espalier::widgets {

namespace {

constexpr int kCacheKiB = 192 * 1024;
constexpr int kMaxMiB = 512; // a picture larger than this when decoded is refused

QString keyOf(const ImageSource& source, ImageCut cut)
{
    return QStringLiteral("%1|%2|%3|%4").arg(source.path).arg(source.stamp).arg(cut.thumbnail).arg(cut.cell);
}

int numberIn(const Json& json, const char* key)
{
    const auto found = json.find(key);
    return found != json.end() && found->is_number_integer() && *found >= 0 && *found < 65536 ? found->get<int>() : 0;
}

/// The layout from the PNG's text, or worked out from its size when another program wrote it.
GridCells cellsOf(const QString& text, QSize size, const ImageSource& source)
{
    GridCells cells;
    if (const Json json = parseJson(text.toStdString()); json.is_object()) {
        cells.columns = numberIn(json, "columns");
        cells.padding = numberIn(json, "padding");
        cells.cellWidth = numberIn(json, "cell_width");
        cells.cellHeight = numberIn(json, "cell_height");
        cells.count = numberIn(json, "count");
    }
    if (!cells.isValid() && source.columns > 0 && source.count > 0) {
        cells.columns = source.columns;
        cells.count = source.count;
        const int rows = (source.count + source.columns - 1) / source.columns;
        for (const int padding : {2, 0, 1}) {
            const int width = size.width() - (source.columns + 1) * padding, height = size.height() - (rows + 1) * padding;
            if (width <= 0 || height <= 0 || width % source.columns != 0 || height % rows != 0)
                continue;
            cells.padding = padding;
            cells.cellWidth = width / source.columns;
            cells.cellHeight = height / rows;
            break;
        }
    }
    const QRect last = cells.isValid() ? cells.cell(cells.count - 1) : QRect();
    return QRect(QPoint(), size).contains(last) ? cells : GridCells();
}

QString cannotWrite(const QString& file, const QString& reason)
{
    return QObject::tr("Could not write %1: %2.").arg(file, reason);
}

QString savePng(const QImage& image, const QString& file)
{
    QSaveFile out(file);
    if (!out.open(QIODevice::WriteOnly) || !image.save(&out, "PNG") || !out.commit())
        return cannotWrite(file, out.errorString());
    return {};
}

QString copyFile(const QString& from, const QString& to)
{
    QFile in(from);
    if (!in.open(QIODevice::ReadOnly))
        return QObject::tr("Could not read %1: %2.").arg(from, in.errorString());
    QSaveFile out(to);
    if (!out.open(QIODevice::WriteOnly))
        return cannotWrite(to, out.errorString());
    while (!in.atEnd()) {
        const QByteArray piece = in.read(1 << 20);
        if (piece.isEmpty() || out.write(piece) != piece.size())
            return cannotWrite(to, out.errorString());
    }
    return out.commit() ? QString() : cannotWrite(to, out.errorString());
}

/// The cells one after the other, in rows, each with its label below; small cells are enlarged by a whole factor.
QImage composeStrip(const std::vector<QImage>& cells, const QStringList& labels)
{
    QSize cell;
    for (const QImage& image : cells)
        cell = cell.expandedTo(image.size());
    const int factor = std::max(1, (72 + cell.width() - 1) / std::max(1, cell.width()));
    cell *= factor;
    constexpr int kGap = 6, kLabel = 16;
    const int count = static_cast<int>(cells.size());
    const int columns = std::clamp(static_cast<int>(std::ceil(std::sqrt(count * 2.0))), 1, std::max(1, 4096 / (cell.width() + kGap)));
    const int rows = (count + columns - 1) / columns;
    QImage strip(columns * (cell.width() + kGap) + kGap, rows * (cell.height() + kGap + kLabel) + kGap, QImage::Format_RGB32);
    strip.fill(Qt::white);
    QPainter painter(&strip);
    QFont font(QStringLiteral("Inter"));
    font.setPixelSize(11);
    painter.setFont(font);
    painter.setPen(QColor(0x1c2321));
    for (int i = 0; i < count; ++i) {
        const QPoint at(kGap + i % columns * (cell.width() + kGap), kGap + i / columns * (cell.height() + kGap + kLabel));
        painter.drawImage(QRect(at, cells[i].size() * factor), cells[i]);
        painter.drawText(QRect(at.x(), at.y() + cell.height(), cell.width(), kLabel), Qt::AlignCenter, labels.value(i));
    }
    return strip;
}

} // namespace

QRect GridCells::cell(int index) const
{
    if (index < 0 || index >= count || !isValid())
        return {};
    return {padding + index % columns * (cellWidth + padding), padding + index / columns * (cellHeight + padding), cellWidth, cellHeight};
}

int GridCells::at(QPoint pixel) const
{
    if (!isValid() || pixel.x() < 0 || pixel.y() < 0)
        return -1;
    const int column = (pixel.x() - padding) / (cellWidth + padding), row = (pixel.y() - padding) / (cellHeight + padding);
    const int index = row * columns + column;
    return column < columns && cell(index).contains(pixel) ? index : -1;
}

ImageProvider::ImageProvider(QObject* parent) : QObject(parent), m_cache(kCacheKiB)
{
    m_pool.setMaxThreadCount(2);
    m_pool.setThreadPriority(QThread::LowPriority);
}

ImageProvider::~ImageProvider()
{
    m_pool.clear();
    m_pool.waitForDone(); // answers still on their way die with this object
}

const LoadedImage* ImageProvider::peek(const ImageSource& source, ImageCut cut) const
{
    return m_cache.object(keyOf(source, cut));
}

const LoadedImage* ImageProvider::get(const ImageSource& source, ImageCut cut)
{
    const QString key = keyOf(source, cut);
    if (const LoadedImage* there = m_cache.object(key))
        return there;
    if (m_asked.contains(key))
        return nullptr;
    m_asked.insert(key);
    const auto job = [this, source, cut, key] {
        LoadedImage loaded = load(source, cut);
        QMetaObject::invokeMethod(
            this,
            [this, source, cut, key, loaded = std::move(loaded)] {
                m_asked.remove(key);
                const auto cost = std::max<qsizetype>(1, loaded.image.sizeInBytes() / 1024);
                m_cache.insert(key, new LoadedImage(loaded), std::min<qsizetype>(cost, kCacheKiB));
                Q_EMIT ready(source, cut);
            },
            Qt::QueuedConnection);
    };
    m_pool.start(job, cut.thumbnail > 0 ? 0 : 1); // what fills the page before what lies in the strip
    return nullptr;
}

LoadedImage ImageProvider::load(const ImageSource& source, ImageCut cut)
{
    LoadedImage loaded;
    QImageReader reader(source.path);
    reader.setAllocationLimit(kMaxMiB);
    const QSize size = reader.size();
    const QString layout = reader.text(QStringLiteral("espalier.grid"));
    if (!reader.read(&loaded.image)) {
        loaded.image = QImage();
        loaded.problem = QFileInfo::exists(source.path) ? QObject::tr("%1 cannot be read: %2.").arg(source.path, reader.errorString())
                                                        : QObject::tr("%1 is gone.").arg(source.path);
        return loaded;
    }
    // Text chunks behind the pixels are known after reading only.
    loaded.cells = cellsOf(layout.isEmpty() ? loaded.image.text(QStringLiteral("espalier.grid")) : layout,
                           size.isValid() ? size : loaded.image.size(), source);
    if (cut.thumbnail > 0)
        loaded.image = loaded.image.scaled(cut.thumbnail, cut.thumbnail, Qt::KeepAspectRatio, Qt::SmoothTransformation);
    if (cut.cell >= 0) {
        const QRect cell = loaded.cells.cell(cut.cell);
        loaded.image = cell.isEmpty() ? QImage() : loaded.image.copy(cell);
        if (cell.isEmpty())
            loaded.problem = QObject::tr("%1 has no cell %2.").arg(source.path).arg(cut.cell + 1);
    }
    return loaded;
}

void ImageProvider::runExport(std::function<QString(QString& done)> job)
{
    m_pool.start(
        [this, job = std::move(job)] {
            QString done;
            const QString problem = job(done);
            QMetaObject::invokeMethod(
                this, [this, problem, done] { Q_EMIT exported(problem.isEmpty(), problem.isEmpty() ? done : problem); },
                Qt::QueuedConnection);
        },
        2);
}

void ImageProvider::exportGrid(const ImageSource& source, const QString& file)
{
    runExport([source, file](QString& done) {
        done = tr("Saved %1.").arg(file);
        return copyFile(source.path, file); // with its settings in the text chunks
    });
}

void ImageProvider::exportCellStrip(const std::vector<ImageSource>& sources, const QStringList& labels, int cell, const QString& file)
{
    runExport([sources, labels, cell, file](QString& done) {
        std::vector<QImage> cells;
        QStringList said;
        for (std::size_t i = 0; i < sources.size(); ++i) {
            LoadedImage loaded = load(sources[i], {0, cell});
            if (loaded.image.isNull())
                continue; // one damaged grid does not keep the others from being saved
            cells.push_back(std::move(loaded.image));
            said << labels.value(static_cast<int>(i));
        }
        if (cells.empty())
            return tr("None of the grids could be read, so nothing was saved.");
        done = cells.size() == sources.size()
                   ? tr("Saved %1.").arg(file)
                   : tr("Saved %1 without %2 grids that could not be read.").arg(file).arg(sources.size() - cells.size());
        return savePng(composeStrip(cells, said), file);
    });
}

void ImageProvider::exportCells(const std::vector<ImageSource>& sources, const QStringList& names, int cell, const QString& folder)
{
    runExport([sources, names, cell, folder](QString& done) {
        if (!QDir().mkpath(folder))
            return cannotWrite(folder, tr("the folder cannot be made"));
        int saved = 0;
        for (std::size_t i = 0; i < sources.size(); ++i) {
            const LoadedImage loaded = load(sources[i], {0, cell});
            if (loaded.image.isNull())
                continue;
            if (QString problem = savePng(loaded.image, folder + QLatin1Char('/') + names.value(static_cast<int>(i))); !problem.isEmpty())
                return problem;
            ++saved;
        }
        done = tr("Saved %1 of %2 images in %3.").arg(saved).arg(sources.size()).arg(folder);
        return saved > 0 ? QString() : tr("None of the grids could be read, so nothing was saved.");
    });
}

void ImageProvider::exportGrids(const std::vector<ImageSource>& sources, const QStringList& names, const QString& folder)
{
    runExport([sources, names, folder](QString& done) {
        if (!QDir().mkpath(folder))
            return cannotWrite(folder, tr("the folder cannot be made"));
        for (std::size_t i = 0; i < sources.size(); ++i)
            if (QString problem = copyFile(sources[i].path, folder + QLatin1Char('/') + names.value(static_cast<int>(i)));
                !problem.isEmpty())
                return problem;
        done = tr("Saved %1 grids in %2.").arg(sources.size()).arg(folder);
        return QString();
    });
}

} // namespace espalier::widgets
