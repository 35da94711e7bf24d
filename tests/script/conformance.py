#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Checks tests/CONFORMANCE.md: no empty cell, and every case, unit and simulation named is there."""

import pathlib
import re
import sys

tests = pathlib.Path(__file__).resolve().parents[1]
cases = {
    file.stem: {
        line[5:].split("  #")[0].strip()
        for line in file.read_text().splitlines()
        if line.startswith("case ")
    }
    for file in (tests / "script").glob("*.script")
}


def missing(name):
    """What is wrong with one name in backquotes of the last column, or None."""
    kind, _, rest = name.partition(" ")
    if kind.endswith(":") and kind[:-1] not in cases:
        return f"no {kind[:-1]}.script"
    if kind.rstrip(":") in cases and ": " in name:
        stem, case = name.split(": ", 1)
        return None if case in cases[stem] else f"no case '{case}' in {stem}.script"
    if kind == "unit" and not (tests / "unit" / f"test_{rest}.c").exists():
        return f"no unit {rest}"
    if kind == "sim" and not (tests / "sim" / f"{rest}.c").exists():
        return f"no simulation {rest}"
    return None


wrong = []
for number, line in enumerate((tests / "CONFORMANCE.md").read_text().splitlines(), 1):
    if not line.startswith("|") or line.startswith("| ---"):
        continue
    cells = [cell.strip() for cell in line.strip("|").split(" | ")]
    if len(cells) != 4 or not all(cells):
        wrong.append(f"{number}: not four cells with something in each")
        continue
    for name in re.findall(r"`([^`]+)`", cells[3]):
        if missing(name):
            wrong.append(f"{number}: {missing(name)}")
print("\n".join(wrong) or "every line has its test or its reason")
sys.exit(bool(wrong))
