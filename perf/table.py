# SPDX-License-Identifier: BSD-3-Clause
"""Makes one Markdown table of what benches reported: table.py CHECKOUT RESULT.json...

A bench is named what/case/who. Rows of one what/case stand together, millrace's own first, and each
other one says how many times its cycles are of millrace's.
"""
import json
import platform
import re
import subprocess
import sys
from datetime import date
from pathlib import Path

OWN = "millrace"
SHOWN = {"cycles_min", "cycles_median", "slices"}
REPORTED = {  # what Google Benchmark itself says of a run
    "name", "family_index", "per_family_instance_index", "run_name", "run_type", "repetitions",
    "repetition_index", "threads", "iterations", "real_time", "cpu_time", "time_unit", "label",
    "items_per_second", "error_occurred", "error_message"}


def said(*words):
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def machine(checkout):
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    git = ("git", "-c", "safe.directory=*", "-C", checkout)
    commit = said(*git, "describe", "--always", "--dirty")
    return "\n".join([
        f"- CPU: {cpu.group(1) if cpu else platform.machine()}, cycles are the TSC's",
        f"- kernel {platform.release()}, DPDK {said('pkg-config', '--modversion', 'libdpdk')}, "
        f"{said('gcc', '--version').splitlines()[0]}",
        f"- commit {commit}, {date.today()}"])


def number(value):
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def rows(results):
    """(what, case, who, run) of every run, rows of one case together and millrace first."""
    runs = [run for result in results for run in json.loads(Path(result).read_text())["benchmarks"]]
    named = []
    for run in runs:
        what, _, rest = run["name"].partition("/")
        case, _, who = rest.rpartition("/")
        named.append((what, case, who, run))
    order = {}
    for what, case, _, _ in named:
        order.setdefault((what, case), len(order))
    return sorted(named, key=lambda row: (order[row[:2]], row[2] != OWN))


def cells(row, own):
    what, case, who, run = row
    least, median = run.get("cycles_min"), run.get("cycles_median")
    if least is None:
        figures = ["", "", ""]
    else:
        figures = [number(least), number(median), f"+{100 * (median / least - 1):.0f} %"]
    ratio = ""
    if who != OWN and own and least and own.get("cycles_min"):
        ratio = f"{least / own['cycles_min']:.2f}"
    beside = [f"{name} {number(value)}" for name, value in run.items()
              if name not in SHOWN | REPORTED]
    beside += filter(None, [run.get("error_message"), run.get("label")])
    return [what, case, who, *figures, ratio, ", ".join(beside)]


HEAD = """# Figures

`sudo ./perf/run --save` measured them; cycles per packet (or per lookup, per call) are the minimum
and the median of many short slices, and the spread is how far the median lies above the minimum.
"""


def main(checkout, *results):
    print(HEAD)
    print(machine(checkout) + "\n")
    print("| what | case | who | minimum | median | spread | times millrace's | beside |")
    print("| --- | --- | --- | ---: | ---: | ---: | ---: | --- |")
    named = rows(results)
    own = {row[:2]: row[3] for row in named if row[2] == OWN}
    for row in named:
        print("|", " | ".join(cells(row, own.get(row[:2]))), "|")


main(*sys.argv[1:])
