# SPDX-License-Identifier: BSD-3-Clause
"""What lb_churn found, as Markdown and as a plot: lb_churn.py LB_CHURN [--short] [PLOT.svg]

Bars: the share of flows that each event breaks, by policy. Curves: the share of places of Maglev's
table that move although their backend stays, as figure 12 of its paper has it.
"""
import subprocess
import sys
from math import log10
from pathlib import Path

COLOURS = ("#b04a3a", "#c9913d", "#4d7ea8", "#2f5d50", "#8a6fa8")
LEAST = 0.01  # percent: where the bars begin
WIDTH, ROW, NAMES, BARS = 1080, 50, 290, 400


def tables(text):
    """[[cells of a row], ...] of each table."""
    return [[line.split("\t") for line in part.splitlines()] for part in text.strip().split("\n\n")]


def markdown(table):
    head, *rows = table
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def decades(percent):
    """How far along a scale of powers of ten from LEAST to 100: 0 to 1."""
    return max(0.0, log10(max(percent, LEAST) / LEAST) / log10(100 / LEAST))


def text(x, y, words, anchor="start"):
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}">{words}</text>'


def bars(table):
    head, *rows = table
    out = [text(NAMES, 20, "flows broken, percent (powers of ten)")]
    bottom = 40 + ROW * len(rows)
    for power in (0.01, 0.1, 1, 10, 100):
        x = NAMES + BARS * decades(power)
        out += [f'<path d="M{x:.0f} 30V{bottom}" stroke="#ddd"/>',
                text(x, bottom + 16, f"{power:g}", "middle")]
    for i, row in enumerate(rows):
        y = 40 + ROW * i
        ecmp = "" if row[1] == "any" else f" ({row[1]} ECMP)"
        out.append(text(NAMES - 8, y + 24, (row[0] + ecmp).replace("%", "&#37;"), "end"))
        for j, share in enumerate(row[2:]):
            out.append(f'<rect x="{NAMES}" y="{y + 8 * j}" height="7" fill="{COLOURS[j]}" '
                       f'width="{max(1, BARS * decades(float(share))):.0f}"/>')
    for j, name in enumerate(head[2:]):
        y = bottom + 40 + 18 * (j // 3)
        x = NAMES - 150 + 200 * (j % 3)
        out += [f'<rect x="{x}" y="{y - 9}" width="10" height="10" fill="{COLOURS[j]}"/>',
                text(x + 16, y, name)]
    return out, bottom + 80


def curves(table, left, height):
    head, *rows = table
    top = max(float(cell) for row in rows for cell in row[1:])
    wide, high = WIDTH - left - 30, height - 120
    step = wide / (len(rows) - 1)
    out = [text(left, 20, "places that move, percent, by backends removed"),
           f'<path d="M{left} 40V{40 + high}h{wide}" fill="none" stroke="#888"/>']
    for i, row in enumerate(rows):
        out.append(text(left + step * i, high + 58, row[0], "middle"))
    for j, name in enumerate(head[1:]):
        points = [(left + step * i, 40 + high * (1 - float(row[j + 1]) / top))
                  for i, row in enumerate(rows)]
        line = " ".join(f"{x:.0f},{y:.0f}" for x, y in points)
        out += [f'<polyline points="{line}" fill="none" stroke="{COLOURS[j]}" stroke-width="2"/>',
                text(left + 10, 60 + 18 * j, f'<tspan fill="{COLOURS[j]}">{name}</tspan>')]
        out.append(text(points[-1][0], points[-1][1] - 6, rows[-1][j + 1], "end"))
    return out


def plot(events, sizes):
    left, height = bars(events)
    right = curves(sizes, NAMES + BARS + 60, height)
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>', *left, *right, "</svg>", ""])


def main(program, *options):
    brief = "--short" in options
    done = subprocess.run([program, *options[:brief]], stdout=subprocess.PIPE, text=True, check=True)
    events, sizes = tables(done.stdout)
    print(markdown(events) + "\n\n" + markdown(sizes))
    for svg in options[brief:]:
        Path(svg).write_text(plot(events, sizes))


main(*sys.argv[1:])
