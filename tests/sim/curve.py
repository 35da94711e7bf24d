#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Draws tests/sim/curve.txt: curve.py < curve.txt > curve.svg"""

import math
import sys

WIDTH, HEIGHT, MARGIN = 900, 300, 50
KINDS = (("NewReno", "RFC 5681", 1), ("CUBIC", "RFC 9438", 3))


def path(points, style):
    """One line, with a gap where a value is nan."""
    out, pen_down = [], False
    for x, y in points:
        if math.isnan(y):
            pen_down = False
            continue
        out.append(f"{'L' if pen_down else 'M'}{x:.1f} {y:.1f}")
        pen_down = True
    return f'<path d="{" ".join(out)}" fill="none" {style}/>'


def panel(rows, name, formula, column, top):
    first, last = rows[0][0], rows[-1][0]
    most = max(v for row in rows for v in row[column:column + 2] if not math.isnan(v)) * 1.1

    def place(column_):
        return [(MARGIN + (row[0] - first) / (last - first) * (WIDTH - 2 * MARGIN),
                 top + HEIGHT - MARGIN - row[column_] / most * (HEIGHT - 2 * MARGIN)) for row in rows]

    left, right, low = MARGIN, WIDTH - MARGIN, top + HEIGHT - MARGIN
    yield f'<path d="M{left} {top + MARGIN}V{low}H{right}" fill="none" stroke="#888"/>'
    yield path(place(column + 1), 'stroke="#d62" stroke-width="4" stroke-opacity="0.4"')
    yield path(place(column), 'stroke="#136"')
    yield (f'<text x="{left}" y="{top + MARGIN - 12}">{name}: cwnd in segments (thin), '
           f'{formula} (broad)</text>')
    yield f'<text x="{left}" y="{low + 18}">{first:.0f} s</text>'
    yield f'<text x="{right}" y="{low + 18}" text-anchor="end">{last:.0f} s</text>'
    for value in (0, most / 2.2, most / 1.1):
        y = low - value / most * (HEIGHT - 2 * MARGIN)
        yield f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{value:.0f}</text>'


def main():
    rows = [[float(v) for v in line.split()] for line in sys.stdin if not line.startswith("#")]
    print(f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" '
          f'height="{HEIGHT * len(KINDS)}" font-family="sans-serif" font-size="13">')
    print('<rect width="100%" height="100%" fill="white"/>')
    for i, (name, formula, column) in enumerate(KINDS):
        print("\n".join(panel(rows, name, formula, column, i * HEIGHT)))
    print("</svg>")


if __name__ == "__main__":
    main()
