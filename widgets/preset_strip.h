// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QAbstractButton>
#include <QScrollArea>

#include <vector>

class QButtonGroup;

namespace espalier::widgets {

/// A preset to start from: title and what it is, checked when chosen.
class PresetCard : public QAbstractButton {
    Q_OBJECT

public:
    PresetCard(const QString& id, const QString& title, const QString& summary, QWidget* parent = nullptr);
    const QString& id() const { return m_id; }
    QSize sizeHint() const override;

protected:
    void paintEvent(QPaintEvent* event) override;

private:
    QString m_id, m_summary;
};

/// The presets side by side; scrolls when they do not fit.
class PresetStrip : public QScrollArea {
    Q_OBJECT

public:
    explicit PresetStrip(QWidget* parent = nullptr);
    /// Marks the chosen one; an unknown or empty id marks none.
    void setCurrent(const QString& id);

Q_SIGNALS:
    void chosen(const QString& id);

private:
    QButtonGroup* m_group;
    std::vector<PresetCard*> m_cards;
};

} // namespace espalier::widgets
