// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/card.h"
#include "widgets/filmstrip.h"

#include <QTimer>

#include <functional>

class QSlider;
class QToolButton;

namespace espalier::widgets {

/// Moves through a sequence of grids: filmstrip, slider, play. Says where a person wants to go; setCurrent() says where it went.
class StepTransport : public Card {
    Q_OBJECT
public:
    explicit StepTransport(ImageProvider* provider, QWidget* parent = nullptr);

    void setFrames(std::vector<Frame> frames);
    void setCurrent(int place);
    void setPinned(int place); // -1: none
    /// Whether the next place can be shown now: playing waits for pictures that are still being read.
    void setReady(std::function<bool(int)> ready) { m_ready = std::move(ready); }
    void play(bool on);
    bool isPlaying() const { return m_timer.isActive(); }

Q_SIGNALS:
    void chosen(int place);
    void pinRequested(int place);

private:
    void advance();

    std::function<bool(int)> m_ready;
    int m_count = 0, m_current = -1;
    QTimer m_timer;
    Filmstrip* m_film;
    QToolButton* m_play;
    QSlider* m_slider;
    QLabel* m_place;
};

} // namespace espalier::widgets
