// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/target_view.h"

#include <QWidget>

#include <optional>

namespace espalier::widgets {

/// Which module is where in the network that is assembled: its blocks as a strip from input to output, each module with a colour and its
/// number, filled as far as it is trained; below it the network in which one module trains, whose other blocks are frozen. Point at a
/// module to see its network and find its stage, click or press Return to choose it.
class ModulePicture : public QWidget {
    Q_OBJECT
public:
    explicit ModulePicture(QWidget* parent = nullptr);
    void setTarget(TargetView target);
    const TargetView& target() const { return m_target; }
    /// The module whose stage has this index has a frame; -1: none.
    void setSelected(int stage);
    /// The module whose network is shown below: the one pointed at, the chosen one, the one that trains; -1: none trains here.
    int shown() const;
    /// The module at a place; -1: none.
    int moduleAt(const QPointF& position) const;
    /// The stretches of the strip that belong to a module, from the input to the output.
    std::vector<QRectF> areasOf(int module) const;
    QSize sizeHint() const override;
    QSize minimumSizeHint() const override;
    bool event(QEvent* event) override;

Q_SIGNALS:
    void pointed(int stage); // the stage that trains the module under the pointer; -1: none
    void chosen(int stage);

protected:
    void paintEvent(QPaintEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    void mouseMoveEvent(QMouseEvent* event) override;
    void leaveEvent(QEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;

private:
    QRectF cellOf(const std::vector<TargetCell>& cells, std::size_t place, const QRectF& strip) const;
    QRectF strip() const;
    QRectF hybridStrip() const;
    void point(int module);
    QString tipOf(const TargetModule& module) const;
    void paintTarget(QPainter& painter) const;
    void paintCaptions(QPainter& painter) const;
    void paintHybrid(QPainter& painter) const;

    TargetView m_target;
    int m_pointed = -1, m_selected = -1; // modules
};

} // namespace espalier::widgets
