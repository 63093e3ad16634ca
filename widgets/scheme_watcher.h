// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/theme.h"

#include <QObject>

class QDBusVariant;

namespace espalier::widgets {

/// Asks the desktop portal whether the person likes it dark, and follows changes. Never waits; silent where there is no portal.
class SchemeWatcher : public QObject {
    Q_OBJECT
public:
    explicit SchemeWatcher(QObject* parent = nullptr);

Q_SIGNALS:
    void schemeChanged(espalier::widgets::Scheme scheme);

private Q_SLOTS:
    void settingChanged(const QString& group, const QString& key, const QDBusVariant& value);

private:
    void take(const QVariant& value);
};

} // namespace espalier::widgets
