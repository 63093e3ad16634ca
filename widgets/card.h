// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QWidget>

class QHBoxLayout;
class QLabel;
class QPushButton;
class QVBoxLayout;

namespace espalier::widgets {

/// A panel with hairline border, radius 8 and an optional header: bold title left, anything right.
/// Put content into `body()`; put controls into `header()`.
class Card : public QWidget {
    Q_OBJECT
public:
    explicit Card(const QString& title = {}, QWidget* parent = nullptr);
    void setTitle(const QString& title);
    QVBoxLayout* body() const { return m_body; }
    QHBoxLayout* header() const { return m_header; } // title and a stretch stand in it already

protected:
    void paintEvent(QPaintEvent* event) override;

private:
    QLabel* m_title;
    QHBoxLayout* m_header;
    QVBoxLayout* m_body;
};

/// A panel with a bar in the colour of failures at its left: something went wrong.
class TroubleCard : public QWidget {
    Q_OBJECT
public:
    explicit TroubleCard(QWidget* parent = nullptr) : QWidget(parent) {}

protected:
    void paintEvent(QPaintEvent* event) override;
};

/// A rounded label such as "bf16 · 2 × H200".
class Chip : public QWidget {
    Q_OBJECT
public:
    enum class Tone { Plain, Accent, Pause, Failure, Search };
    explicit Chip(const QString& text = {}, Tone tone = Tone::Plain, QWidget* parent = nullptr);
    void setText(const QString& text);
    void setTone(Tone tone);
    QString text() const { return m_text; }
    QSize sizeHint() const override;
    QSize minimumSizeHint() const override { return sizeHint(); }

protected:
    void paintEvent(QPaintEvent* event) override;

private:
    QString m_text;
    Tone m_tone;
};

/// One number with what it is above and what it means below: "LOSS / 0.1482 / −0.0006 per 1 000 steps".
class Tile : public QWidget {
    Q_OBJECT
public:
    explicit Tile(const QString& label, QWidget* parent = nullptr);
    /// An empty value shows a dash; `note` then says what will appear.
    void setValue(const QString& value, const QString& note = {});
    void setLabel(const QString& label);
    QString value() const { return m_value; }
    QSize sizeHint() const override;
    QSize minimumSizeHint() const override;

protected:
    void paintEvent(QPaintEvent* event) override;

private:
    void describe();

    QString m_label, m_value, m_note;
};

/// What an empty panel shows: what will appear here and how to make it, and perhaps a button for that.
class EmptyNote : public QWidget {
    Q_OBJECT
public:
    EmptyNote(const QString& title, const QString& text, QWidget* parent = nullptr);
    void setText(const QString& title, const QString& text);
    /// A button below the text; an empty label takes it away.
    void setAction(const QString& label, bool primary = false);

Q_SIGNALS:
    void actionRequested();

private:
    QLabel* m_title;
    QLabel* m_text;
    QPushButton* m_button;
};

/// A label for numbers that change: digits keep their places.
class NumberLabel : public QWidget {
    Q_OBJECT
public:
    explicit NumberLabel(const QString& text = {}, QWidget* parent = nullptr);
    void setText(const QString& text);
    QString text() const { return m_text; }
    void setDim(bool dim);
    QSize sizeHint() const override;
    QSize minimumSizeHint() const override { return sizeHint(); }

protected:
    void paintEvent(QPaintEvent* event) override;

private:
    QString m_text;
    bool m_dim = false;
};

} // namespace espalier::widgets
