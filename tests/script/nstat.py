#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Checks tests/NSTAT.md: every counter and drop that it names is there, and every counter of TCP is named."""

import pathlib
import re
import sys

top = pathlib.Path(__file__).resolve().parents[2]
net = top / "lib/net/include/net"
known = {
    name
    for file in ("counter.h", "drop.h")
    for name in re.findall(r"^\tX\((\w+),", (net / file).read_text(), re.MULTILINE)
}
text = (top / "tests/NSTAT.md").read_text()
named = set(re.findall(r"`((?:tcp_|[A-Z]{2})\w+)`", text))
# beside Linux' list: where its sum has parts, and what only ours has
ours = {"tcp_resets_in", "tcp_resets_received", "tcp_duplicate_acks", "tcp_no_ports"}
wrong = [f"no counter or drop {name}" for name in sorted(named - known)]
wrong += [
    f"{name} is not in tests/NSTAT.md"
    for name in sorted(known - named - ours)
    if name.startswith("tcp_")
]
print("\n".join(wrong) or "every name is there")
sys.exit(bool(wrong))
