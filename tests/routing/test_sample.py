# SPDX-License-Identifier: BSD-3-Clause
"""The sample's words for FRR are FRR's."""
import subprocess

from support import lab


def test_frr_takes_the_sample(tmp_path):
    lines = (lab.TOP / "config/frr.yaml").read_text().splitlines()
    conf = [line.removeprefix("#   ") for line in lines if line.startswith("#   ")]
    assert "router bgp 65000" in conf
    (tmp_path / "frr.conf").write_text("\n".join(conf) + "\n")
    done = subprocess.run(["vtysh", "-C", "-f", tmp_path / "frr.conf"], capture_output=True,
                          text=True, timeout=20 * lab.SLOW)
    assert done.returncode == 0 and "Unknown command" not in done.stdout + done.stderr, done
