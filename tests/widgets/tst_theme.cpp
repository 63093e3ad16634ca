// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/card.h"
#include "widgets/theme.h"

#include <QApplication>
#include <QDirIterator>
#include <QTest>

#include <cmath>

using namespace espalier::widgets;

class TestTheme : public QObject {
    Q_OBJECT
private Q_SLOTS:
    void bothSchemesAreToldApartByTheirPalette();
    void textIsReadableOnEveryBackground_data();
    void textIsReadableOnEveryBackground();
    void everyIconDraws();
    void digitsKeepTheirPlaces();
    void tilesSayTheirValueAloud();
};

static double contrast(const QColor& a, const QColor& b)
{
    const auto light = [](const QColor& c) {
        const auto linear = [](double v) { return v <= 0.03928 ? v / 12.92 : std::pow((v + 0.055) / 1.055, 2.4); };
        return 0.2126 * linear(c.redF()) + 0.7152 * linear(c.greenF()) + 0.0722 * linear(c.blueF());
    };
    const double x = light(a), y = light(b);
    return (std::max(x, y) + 0.05) / (std::min(x, y) + 0.05);
}

void TestTheme::bothSchemesAreToldApartByTheirPalette()
{
    for (const auto scheme : {Scheme::Dark, Scheme::Light}) {
        applyTheme(*qApp, scheme);
        QCOMPARE(tokens(qApp->palette()).scheme, scheme);
        QVERIFY(!qApp->styleSheet().contains(QLatin1Char('%')));
    }
}

void TestTheme::textIsReadableOnEveryBackground_data()
{
    QTest::addColumn<bool>("dark");
    QTest::newRow("light") << false;
    QTest::newRow("dark") << true;
}

void TestTheme::textIsReadableOnEveryBackground()
{
    QFETCH(bool, dark);
    const auto& t = tokens(dark ? Scheme::Dark : Scheme::Light);
    for (const auto& ground : {t.window, t.panel, t.card, t.selection, t.hover}) {
        QVERIFY(contrast(t.text, ground) > 7);
        QVERIFY(contrast(t.dim, ground) > 4.2); // WCAG AA asks 4.5 of small text; dim text is never the only carrier
    }
    QVERIFY(contrast(t.onAccent, t.accent) > 4.0);
}

void TestTheme::everyIconDraws()
{
    int count = 0;
    for (QDirIterator it(QStringLiteral(":/icons")); it.hasNext(); ++count) {
        it.next();
        const auto image = themedIcon(it.fileInfo().baseName(), QColor(Qt::black), QColor(Qt::gray)).pixmap(32, 32).toImage();
        bool ink = false;
        for (int y = 0; y < image.height() && !ink; ++y)
            for (int x = 0; x < image.width() && !ink; ++x)
                ink = qAlpha(image.pixel(x, y)) > 128;
        QVERIFY2(ink, qPrintable(it.fileName()));
    }
    QVERIFY(count > 20);
}

void TestTheme::digitsKeepTheirPlaces()
{
    QCOMPARE(tabularWidth(typeFont(Type::Body), QStringLiteral("1 111")), tabularWidth(typeFont(Type::Body), QStringLiteral("8 008")));
}

void TestTheme::tilesSayTheirValueAloud()
{
    Tile tile(QStringLiteral("Loss"));
    tile.setValue(QStringLiteral("0.15"), QStringLiteral("falling"));
    QCOMPARE(tile.accessibleName(), QStringLiteral("Loss"));
    QVERIFY(tile.accessibleDescription().contains(QStringLiteral("0.15")));
}

QTEST_MAIN(TestTheme)
#include "tst_theme.moc"
