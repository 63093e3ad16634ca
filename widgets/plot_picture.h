// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/qcp.h"
#include "widgets/run_values.h"

namespace espalier::widgets {

/// Dresses a plot for a picture that stands alone, with title, legend and the name of its x-axis, and undresses it at its end.
class PlotPicture {
public:
    PlotPicture(QCustomPlot* plot, XAxis kind, const QString& title);
    ~PlotPicture();
    PlotPicture(const PlotPicture&) = delete;
    PlotPicture& operator=(const PlotPicture&) = delete;

    QPixmap pixmap() const;
    /// .png, .svg or .pdf.
    bool save(const QString& file) const;

private:
    bool saveSvg(const QString& file) const;

    QCustomPlot* m_plot;
    QMargins m_margins;
    QString m_titleText;
    QCPItemText* m_title;
};

} // namespace espalier::widgets
