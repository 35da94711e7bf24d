# SPDX-License-Identifier: BSD-3-Clause
"""Fixtures of the tests with real clients."""
import pytest

from support import clients


@pytest.fixture
def connect(host):
    """connect(port, **options): sockets from the client's namespace, closed at the end.

    `host` is the module's: its router, with a kernel host at each port.
    """
    made = []

    def connect(port, **options):
        made.append(clients.connected(host.lan.namespace, port, **options))
        return made[-1]

    yield connect
    for s in made:
        s.close()
