// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QFrame>

namespace espalier::widgets {

class DevicePicker;

/// The device picker below a field of the form; a click elsewhere or Escape puts it away.
class DevicePopup : public QFrame {
    Q_OBJECT
public:
    explicit DevicePopup(QWidget* parent);
    DevicePicker* picker() const { return m_picker; }
    /// Under `anchor`, or above it where there is no room.
    void showAt(const QWidget* anchor);

Q_SIGNALS:
    void shownChanged(bool shown);

protected:
    void showEvent(QShowEvent* event) override;
    void hideEvent(QHideEvent* event) override;

private:
    DevicePicker* m_picker;
};

} // namespace espalier::widgets
