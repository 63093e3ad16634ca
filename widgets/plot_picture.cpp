// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/plot_picture.h"

#include "widgets/theme.h"
#include "widgets/time_axis.h"

#include <QSvgGenerator>

#include <algorithm>

namespace espalier::widgets {
namespace {

constexpr int kTitleRoom = 20, kLabelRoom = 20;

} // namespace

PlotPicture::PlotPicture(QCustomPlot* plot, XAxis kind, const QString& title)
    : m_plot(plot), m_margins(plot->axisRect()->margins()), m_titleText(title), m_title(new QCPItemText(plot))
{
    const auto& t = tokens(plot->palette());
    plot->legend->setVisible(true);
    plot->axisRect()->insetLayout()->setInsetAlignment(0, Qt::AlignTop | Qt::AlignRight);
    plot->xAxis->setLabel(xTitle(kind));
    plot->xAxis->setLabelColor(t.dim);
    plot->axisRect()->setMargins(m_margins + QMargins(0, kTitleRoom, 0, kLabelRoom));
    m_title->position->setType(QCPItemPosition::ptAbsolute);
    m_title->position->setCoords(m_margins.left(), 6);
    m_title->setPositionAlignment(Qt::AlignLeft | Qt::AlignTop);
    m_title->setText(title);
    m_title->setFont(typeFont(Type::Strong));
    m_title->setColor(t.text);
    m_title->setClipToAxisRect(false);
}

PlotPicture::~PlotPicture()
{
    m_plot->removeItem(m_title);
    m_plot->legend->setVisible(false);
    m_plot->xAxis->setLabel(QString());
    m_plot->axisRect()->setMargins(m_margins);
    m_plot->replot(QCustomPlot::rpQueuedReplot);
}

QPixmap PlotPicture::pixmap() const
{
    return m_plot->toPixmap(m_plot->width(), m_plot->height(), std::max(2.0, m_plot->devicePixelRatioF()));
}

bool PlotPicture::save(const QString& file) const
{
    if (file.endsWith(QLatin1String(".png"), Qt::CaseInsensitive))
        return pixmap().save(file, "PNG");
    if (file.endsWith(QLatin1String(".pdf"), Qt::CaseInsensitive))
        return m_plot->savePdf(file, m_plot->width(), m_plot->height());
    return file.endsWith(QLatin1String(".svg"), Qt::CaseInsensitive) && saveSvg(file);
}

bool PlotPicture::saveSvg(const QString& file) const
{
    QSvgGenerator generator;
    generator.setFileName(file);
    generator.setSize(m_plot->size());
    generator.setViewBox(m_plot->rect());
    generator.setTitle(m_titleText);
    QCPPainter painter;
    if (!painter.begin(&generator))
        return false;
    painter.setMode(QCPPainter::pmVectorized);
    painter.setMode(QCPPainter::pmNoCaching);
    m_plot->toPainter(&painter, m_plot->width(), m_plot->height());
    return painter.end();
}

} // namespace espalier::widgets
