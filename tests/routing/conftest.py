# SPDX-License-Identifier: BSD-3-Clause
"""Without Debian's frr and keepalived there is nothing to run here."""
import pytest

from support import frr


@pytest.fixture(scope="module", autouse=True)
def packages():
    if not (frr.DAEMONS / "zebra").exists() or not frr.KEEPALIVED.exists():
        pytest.skip("frr or keepalived is not installed")


@pytest.fixture
def site(world, request):
    """The module's world, with all its sessions (await_both)."""
    request.module.await_both(world)
    yield world
    world.router.check_books()
