// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QCache>
#include <QHash>
#include <QImage>
#include <QObject>
#include <QRect>
#include <QSet>
#include <QString>
#include <QThreadPool>

#include <functional>
#include <vector>

namespace espalier::widgets {

/// Where the cells of a grid lie: equal cells with padding around and between them, as the PNG itself says.
struct GridCells {
    int columns = 0, padding = 0, cellWidth = 0, cellHeight = 0, count = 0;
    bool isValid() const { return columns > 0 && cellWidth > 0 && cellHeight > 0 && count > 0; }
    /// The pixels of a cell; empty outside.
    QRect cell(int index) const;
    /// The cell at a pixel, or -1 between cells.
    int at(QPoint pixel) const;
    bool operator==(const GridCells&) const = default;
};

/// A picture file as it was at some time: a file that is written anew has another stamp.
struct ImageSource {
    QString path;
    qint64 stamp = 0;
    /// What is known about the grid without its file; used where the file does not say.
    int columns = 0, count = 0;
    bool operator==(const ImageSource& other) const { return path == other.path && stamp == other.stamp; }
};

/// Which piece of a picture: all of it, a thumbnail that fits a square, or one cell of the grid.
struct ImageCut {
    int thumbnail = 0; // side in device pixels; 0: not a thumbnail
    int cell = -1;
    bool operator==(const ImageCut&) const = default;
};

struct LoadedImage {
    QImage image;    // null when it could not be read
    GridCells cells; // of the whole grid
    QString problem; // one sentence when the image is null
};

/// Reads and decodes pictures on threads of its own; the widgets ask for what they show and draw what is there.
/// All methods and signals belong to the GUI thread.
class ImageProvider : public QObject {
    Q_OBJECT

public:
    explicit ImageProvider(QObject* parent = nullptr);
    ~ImageProvider() override;

    /// The picture if it is there; else nullptr, and ready() tells when it is. Valid until control returns to the event loop.
    const LoadedImage* get(const ImageSource& source, ImageCut cut = {});
    /// The picture if it is there; asks for nothing.
    const LoadedImage* peek(const ImageSource& source, ImageCut cut = {}) const;
    int pending() const { return static_cast<int>(m_asked.size()); }

    /// What can be written to files; each answers with exported(). Files appear whole or not at all.
    void exportGrid(const ImageSource& source, const QString& file);
    void exportCellStrip(const std::vector<ImageSource>& sources, const QStringList& labels, int cell, const QString& file);
    void exportCells(const std::vector<ImageSource>& sources, const QStringList& names, int cell, const QString& folder);
    void exportGrids(const std::vector<ImageSource>& sources, const QStringList& names, const QString& folder);

    /// Reads a grid in the calling thread: what the threads do.
    static LoadedImage load(const ImageSource& source, ImageCut cut);

Q_SIGNALS:
    void ready(const espalier::widgets::ImageSource& source, espalier::widgets::ImageCut cut);
    void exported(bool ok, const QString& sentence);

private:
    void runExport(std::function<QString(QString& done)> job);

    QThreadPool m_pool;
    mutable QCache<QString, LoadedImage> m_cache; // cost in KiB
    QSet<QString> m_asked;
};

} // namespace espalier::widgets
