# SPDX-License-Identifier: BSD-3-Clause
"""Prints "PASSED FAILED SKIPPED" for a meson testlog.json, each case of a cmocka program counted.

A case that began and did not end, because its program died in it, has failed.
"""
import json
import re
import sys


def counts(test):
    text = test.get("stdout", "") + test.get("stderr", "")
    began = re.findall(r"^\[ RUN      \] (\S+)", text, re.M)
    passed = set(re.findall(r"^\[       OK \] (\S+)", text, re.M))
    skipped = set(re.findall(r"^\[  SKIPPED \] (\S+)", text, re.M)) & set(began)
    failed = set(began) - passed - skipped
    good = test["result"] == "OK"
    if good and not began:
        return 1, 0, 0
    return len(passed), max(len(failed), 0 if good else 1), len(skipped)


with open(sys.argv[1]) as log:
    print(*map(sum, zip(*(counts(json.loads(line)) for line in log))))
