// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/card.h"
#include "widgets/run_values.h"

#include <QImage>

class QLabel;
class QStackedLayout;

namespace espalier::widgets {

/// A picture scaled to fit, without smoothing when it grows by whole factors. Clicking opens the samples.
class GridPicture : public QWidget {
    Q_OBJECT
public:
    explicit GridPicture(QWidget* parent = nullptr);
    void setImage(const QImage& image);

Q_SIGNALS:
    void clicked();

protected:
    void paintEvent(QPaintEvent* event) override;
    void mouseReleaseEvent(QMouseEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;

private:
    QImage m_image, m_scaled;
};

/// The newest grid of samples on the Watch page.
class GridCard : public Card {
    Q_OBJECT
public:
    explicit GridCard(QWidget* parent = nullptr);
    /// A null image shows what will appear here; `expected` says when, such as "The first grid comes at step 500."
    void setGrid(const QImage& image, const std::optional<runs::SampleEntry>& entry, const QString& expected);

Q_SIGNALS:
    void opened();
    void sampleRequested();

private:
    QLabel* m_recipe;
    GridPicture* m_picture;
    EmptyNote* m_empty;
    QStackedLayout* m_stack;
};

/// "EMA · DDIM-50 · seed 0": what a recipe of samples says in short.
QString recipeText(const std::string& weights, const Json& recipe);

} // namespace espalier::widgets
