// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/plot_menu.h"

#include "widgets/page_parts.h"
#include "widgets/plot_view.h"
#include "widgets/theme.h"
#include "widgets/time_axis.h"

#include <QApplication>
#include <QClipboard>
#include <QFileDialog>
#include <QMenu>
#include <QToolButton>

namespace espalier::widgets {

PlotMenu::PlotMenu(PlotView* plot, TimeAxis* axis, QToolButton* button, QString stem, std::function<QString()> title)
    : QObject(button), m_plot(plot), m_stem(std::move(stem)), m_title(std::move(title))
{
    setThemedIcon(button, QStringLiteral("more"));
    auto* menu = new QMenu(button);
    menu->addAction(QStringLiteral("Copy picture"), this, [this] {
        m_plot->setExportTitle(m_title());
        QApplication::clipboard()->setPixmap(m_plot->picture());
        Q_EMIT message(QStringLiteral("The plot is on the clipboard."));
    });
    menu->addAction(QStringLiteral("Save picture as PNG, SVG or PDF…"), this, &PlotMenu::savePicture);
    menu->addAction(QStringLiteral("Save numbers as CSV…"), this, &PlotMenu::saveNumbers);
    menu->addSeparator();
    menu->addAction(QStringLiteral("Show everything"), axis, &TimeAxis::showAll);
    button->setPopupMode(QToolButton::InstantPopup);
    button->setMenu(menu);
    plot->setContextMenuPolicy(Qt::CustomContextMenu);
    connect(plot, &QWidget::customContextMenuRequested, menu, [plot, menu](const QPoint& at) { menu->popup(plot->mapToGlobal(at)); });
}

void PlotMenu::savePicture()
{
    QString file = QFileDialog::getSaveFileName(m_plot, QStringLiteral("Save picture"), m_stem + QStringLiteral(".png"),
                                                QStringLiteral("Pictures (*.png *.svg *.pdf)"));
    if (file.isEmpty())
        return;
    if (QFileInfo(file).suffix().isEmpty())
        file += QStringLiteral(".png");
    m_plot->setExportTitle(m_title());
    Q_EMIT message(m_plot->saveImage(file)
                       ? QStringLiteral("Saved %1.").arg(file)
                       : QStringLiteral("Could not write %1: choose a folder that you may write to, and .png, .svg or .pdf.").arg(file));
}

void PlotMenu::saveNumbers()
{
    const QString file = QFileDialog::getSaveFileName(m_plot, QStringLiteral("Save numbers"), m_stem + QStringLiteral(".csv"),
                                                      QStringLiteral("CSV (*.csv)"));
    if (!file.isEmpty())
        Q_EMIT csvChosen(file);
}

} // namespace espalier::widgets
