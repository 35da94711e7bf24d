#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes corpus/segments: a seed for each prologue of fuzz_tcp_segments.c, settings in turn.

After the three bytes of settings and prologue stand steps drawn by a fixed seed, so that a run
begins with a little of everything in each state.
"""

import pathlib
import random

PROLOGUES = 20
STEPS = 40

where = pathlib.Path(__file__).parent / "corpus" / "segments"
where.mkdir(parents=True, exist_ok=True)
draw = random.Random(9293)
for prologue in range(PROLOGUES):
    settings = bytes([draw.choice((0, 0, 8, 16, 128)), draw.choice((0, 2, 16))])
    steps = bytes(draw.randrange(256) for _ in range(6 * STEPS))
    (where / f"state_{prologue}").write_bytes(settings + bytes([prologue]) + steps)
