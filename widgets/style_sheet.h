// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QString>

namespace espalier::widgets {

struct Tokens;

/// The style sheet of the program, made from the tokens. Properties that widgets may set:
/// QPushButton/QToolButton "primary" (accent) and "danger"; QLabel "role" = "dim" | "error"; QAbstractButton "flat".
QString styleSheet(const Tokens& tokens, int bodyPixels);

} // namespace espalier::widgets
