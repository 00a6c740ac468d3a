"""Charts as SVG: horizontal bars, and dots on a logarithmic scale. The same data give the same text."""

import math
from xml.sax.saxutils import escape

from stats import digits

WIDTH, LEFT, RIGHT, ROW = 760, 150, 110, 26
OURS, OTHERS, INK, GRID = "#c2410c", "#64748b", "#1e293b", "#e2e8f0"
SHADES = ("#cbd5e1", "#64748b", "#1e293b")
OUR_SHADES = ("#fdba74", "#ea580c", "#7c2d12")
STYLE = "text{font:13px sans-serif;fill:%s}.t{font-weight:bold}.s{font-size:11px;fill:#475569}" % INK


def document(height, parts, title):
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" role="img">'
        f"<title>{escape(title)}</title><style>{STYLE}</style>"
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>'
    )
    return "\n".join([head, *parts, "</svg>"]) + "\n"


def text(x, y, words, anchor="start", kind=""):
    cls = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{cls}>{escape(words)}</text>'


def line(x1, y1, x2, y2, colour=GRID, width=1):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" stroke-width="{width}"/>'


def rectangle(x, y, width, height, colour):
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0.5):.1f}" height="{height:.1f}" fill="{colour}"/>'


def bars(title, rows):
    """One bar a row: (name, value, low, high). Less is better, and the bars begin at zero."""
    rows = [row for row in rows if row[1] is not None]
    top = max(row[3] for row in rows) or 1
    scale = (WIDTH - LEFT - RIGHT) / top
    parts = [text(12, 22, title, kind="t")]
    for number, (name, value, low, high) in enumerate(rows):
        y = 38 + number * ROW
        parts.append(text(LEFT - 8, y + 14, name, "end"))
        parts.append(rectangle(LEFT, y, value * scale, ROW - 8, OURS if name == "egret" else OTHERS))
        middle = y + (ROW - 8) / 2
        parts.append(line(LEFT + low * scale, middle, LEFT + high * scale, middle, INK, 1.5))
        parts.append(text(LEFT + high * scale + 8, y + 14, digits(value)))
    return document(50 + len(rows) * ROW, parts, title)


def logarithmic(low, high):
    """A scale of whole decades from the left to the right edge, and its marks."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    last = max(last, first + 1)
    width = WIDTH - LEFT - RIGHT
    place = lambda value: LEFT + (math.log10(max(value, 10.0**first)) - first) / (last - first) * width  # noqa: E731
    return place, [10.0**power for power in range(first, last + 1)]


def quantiles(title, rows, names=("p50", "p99", "p99.9")):
    """Dots for the quantiles of each row, (name, (value, ...)), on one logarithmic scale."""
    rows = [row for row in rows if all(value is not None for value in row[1])]
    values = [max(value, 1) for _, found in rows for value in found]
    place, marks = logarithmic(min(values), max(values))
    bottom = 44 + len(rows) * ROW
    parts = [text(12, 22, title, kind="t")]
    for mark in marks:
        parts.append(line(place(mark), 36, place(mark), bottom))
        parts.append(text(place(mark), bottom + 14, digits(mark).removesuffix(".00").removesuffix(".0"), "middle", "s"))
    for number, (name, found) in enumerate(rows):
        y = 44 + number * ROW + 9
        parts.append(text(LEFT - 8, y + 4, name, "end"))
        parts.append(line(place(found[0]), y, place(found[-1]), y, OTHERS, 2))
        for value, colour in zip(found, OUR_SHADES if name == "egret" else SHADES):
            parts.append(f'<circle cx="{place(value):.1f}" cy="{y:.1f}" r="6" fill="{colour}"/>')
        parts.append(text(place(found[-1]) + 12, y + 4, " / ".join(digits(value) for value in found), kind="s"))
    parts.append(text(LEFT - 8, bottom + 14, " / ".join(names), "end", "s"))
    return document(bottom + 24, parts, title)


def ratios(title, rows):
    """Ratios of Egret to others, (name, [(peer, ratio), ...]), on a logarithmic scale: left of 1 Egret is cheaper."""
    colours = ["#0f766e", "#7c3aed", "#2563eb", "#0891b2", "#a16207", "#be185d", "#4d7c0f", "#475569"]
    peers = sorted({peer for _, found in rows for peer, _ in found})
    colour = {peer: colours[number % len(colours)] for number, peer in enumerate(peers)}
    values = [value for _, found in rows for _, value in found] + [0.5, 2]
    place, marks = logarithmic(min(values), max(values))
    left = 60
    shift = lambda value: place(value) + left  # noqa: E731
    # The legend, seven to a line.
    top = 46 + 16 * ((len(peers) + 6) // 7)
    bottom = top + len(rows) * ROW
    parts = [text(12, 22, title, kind="t")]
    for number, peer in enumerate(peers):
        x, y = 14 + number % 7 * 104, 40 + number // 7 * 16
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{colour[peer]}"/>')
        parts.append(text(x + 9, y + 4, peer, kind="s"))
    for mark in marks:
        parts.append(
            line(shift(mark), top - 6, shift(mark), bottom, INK if mark == 1 else GRID, 1.5 if mark == 1 else 1)
        )
        parts.append(text(shift(mark), bottom + 14, f"{mark:g}", "middle", "s"))
    for number, (name, found) in enumerate(rows):
        y = top + number * ROW + 9
        parts.append(text(LEFT + left - 10, y + 4, name, "end"))
        parts.append(line(LEFT + left, y, WIDTH - RIGHT + left, y))
        for peer, value in found:
            parts.append(
                f'<circle cx="{shift(value):.1f}" cy="{y:.1f}" r="5" fill="{colour[peer]}" fill-opacity="0.85"/>'
            )
    parts.append(text(LEFT + left, bottom + 30, "left of 1: Egret uses less", kind="s"))
    return document(bottom + 42, parts, title)
